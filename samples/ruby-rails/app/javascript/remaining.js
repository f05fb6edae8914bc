export const LIMIT = 500;

export const remaining = (text) => `${LIMIT - [...text].length} characters left`;
