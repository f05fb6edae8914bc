/** Tenths of a second as minutes, seconds and tenths: 754 is 01:15.4. */
export function shown(tenths) {
  const seconds = Math.floor(tenths / 10);
  const two = (number) => String(number).padStart(2, "0");
  return `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}.${tenths % 10}`;
}
