/** How loud a text can be made. */
export const LOUDEST = 10;

/** The text in capitals, with as many marks as it is loud. Throws a RangeError for a loudness that is none. */
export function shout(text: string, loudness = 1): string {
  if (!Number.isInteger(loudness) || loudness < 1 || loudness > LOUDEST) {
    throw new RangeError(`loudness is a whole number from 1 to ${LOUDEST}`);
  }
  return text.toUpperCase() + "!".repeat(loudness);
}
