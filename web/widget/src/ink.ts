/** Colours that can be read, whatever colour the site chose. */

type Rgb = readonly [number, number, number];

/** What WCAG 2.2 AA asks of text. */
const AA = 4.5;
const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];
const DARK: Rgb = [23, 21, 26];

/** `#rgb` or `#rrggbb`, else undefined. */
export function parseHex(text: string): Rgb | undefined {
  const hex = /^#?([\da-f]{3}|[\da-f]{6})$/i.exec(text.trim())?.[1];
  if (!hex) return undefined;
  const wide = hex.length === 3 ? hex.replace(/./g, "$&$&") : hex;
  return [0, 2, 4].map((at) => parseInt(wide.slice(at, at + 2), 16)) as unknown as Rgb;
}

function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((part) => {
    const c = part / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Contrast of two colours as WCAG 2.2 counts it, 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

const css = (rgb: Rgb): string => `rgb(${rgb.map(Math.round).join(" ")})`;

const mix = (from: Rgb, to: Rgb, part: number): Rgb =>
  from.map((c, i) => c + (to[i as 0] - c) * part) as unknown as Rgb;

/** `from` moved towards `to` until text of it can be read on `ground`. */
function until(from: Rgb, to: Rgb, ground: Rgb): Rgb {
  let part = 0;
  while (part < 1 && contrast(mix(from, to, part), ground) < AA) part += 0.05;
  return mix(from, to, Math.min(part, 1));
}

export interface Inks {
  /** The colour itself: launcher, header, own messages. */
  accent: string;
  /** Text and icons on it: white or near black, whichever reads better. */
  ink: string;
  /** The colour, a little paler, for what still waits; the ink reads on it too. */
  pale: string;
  /** The colour as text on the light and on the dark ground. */
  onLight: string;
  onDark: string;
}

/** What goes with a colour; white ink wins wherever it can be read. */
export function inksFor(color: Rgb): Inks {
  const white = contrast(WHITE, color) >= AA || contrast(WHITE, color) >= contrast(DARK, color);
  const ink = white ? WHITE : DARK;
  const paler = mix(color, WHITE, 0.16);
  return {
    accent: css(color),
    ink: css(ink),
    pale: css(contrast(ink, paler) < AA ? mix(color, BLACK, 0.16) : paler),
    onLight: css(until(color, BLACK, WHITE)),
    onDark: css(until(color, WHITE, DARK)),
  };
}
