export const greeting = (who) => `Notes of ${who}`;
