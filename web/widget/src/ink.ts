/** Colours that can be read, whatever colour the site chose. */

type Rgb = readonly [number, number, number];

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

/** `from` moved towards `to` until it reaches the contrast on `ground`. */
function until(from: Rgb, to: Rgb, ground: Rgb, wanted: number): Rgb {
  for (let part = 0; part < 1; part += 0.05) {
    const mixed = from.map((c, i) => c + (to[i as 0] - c) * part) as unknown as Rgb;
    if (contrast(mixed, ground) >= wanted) return mixed;
  }
  return to;
}

export interface Inks {
  /** The colour itself: launcher, header, own messages. */
  accent: string;
  /** Text and icons on it: white or near black, whichever reads better. */
  ink: string;
  /** The colour as text on the light and on the dark ground: 4.5 to 1 or more. */
  onLight: string;
  onDark: string;
}

/** What goes with a colour; white ink wins where it reaches 4.5 to 1. */
export function inksFor(color: Rgb): Inks {
  const white = contrast(WHITE, color) >= 4.5 || contrast(WHITE, color) >= contrast(DARK, color);
  return {
    accent: css(color),
    ink: css(white ? WHITE : DARK),
    onLight: css(until(color, [0, 0, 0], WHITE, 4.5)),
    onDark: css(until(color, WHITE, DARK, 4.5)),
  };
}
