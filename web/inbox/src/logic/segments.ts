/** How many SMS a text becomes (3GPP TS 23.038): GSM-7 where every character fits it, else UCS-2. */

const BASIC = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
/** These take two places: an escape and the character. */
const EXTENDED = new Set("\f^{}\\[~]|€");

export interface Segments {
  encoding: "GSM-7" | "UCS-2";
  /** Places taken: septets in GSM-7, UTF-16 units in UCS-2. */
  used: number;
  segments: number;
  /** Places in that many segments. */
  room: number;
  /** The first character that GSM-7 does not have. */
  culprit: string;
}

/** Counts segments as they are cut on the way: a two-place character is never split over two. */
export function segments(text: string): Segments {
  const characters = Array.from(text);
  const culprit = characters.find((char) => !BASIC.has(char) && !EXTENDED.has(char)) ?? "";
  const single = culprit ? 70 : 160;
  const part = culprit ? 67 : 153;
  const places = characters.map((char) => (culprit ? char.length : EXTENDED.has(char) ? 2 : 1));
  const used = places.reduce((sum, n) => sum + n, 0);
  const count = used <= single ? 1 : parts(places, part);
  return { encoding: culprit ? "UCS-2" : "GSM-7", used, segments: count, room: count === 1 ? single : count * part, culprit };
}

function parts(places: number[], size: number): number {
  let count = 1;
  let left = size;
  for (const n of places) {
    if (n > left) {
      count += 1;
      left = size;
    }
    left -= n;
  }
  return count;
}
