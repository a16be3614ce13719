// @vitest-environment node
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const css = readFileSync(new URL("./tokens.css", import.meta.url), "utf8");

/** `--name: light-dark(#a, #b)` or `--name: #a`. */
function colour(name: string, dark: boolean): string {
  const found = new RegExp(`--${name}:\\s*(?:light-dark\\((#\\w{6}),\\s*(#\\w{6})\\)|(#\\w{6}))`).exec(css);
  if (!found) throw new Error(`no colour --${name}`);
  return (found[3] ?? (dark ? found[2] : found[1]))!;
}

/** Relative luminance: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

const TEXT: [ink: string, grounds: string[]][] = [
  ["text", ["surface", "surface-2", "surface-3", "canvas", "in", "accent-soft", "note"]],
  ["text-2", ["surface", "surface-2", "surface-3", "canvas", "in", "accent-soft"]],
  ["text-3", ["surface", "surface-2", "surface-3", "canvas", "in", "accent-soft"]],
  ["accent-text", ["surface", "surface-2", "surface-3", "canvas", "in", "out", "accent-soft", "accent-soft-2"]],
  ["on-accent", ["accent", "accent-hover"]],
  ["on-out", ["out"]],
  ["out-meta", ["out"]],
  ["on-note", ["note"]],
  ["note-text", ["note"]],
  ["note", ["note-text"]],
  ["ok-text", ["ok-soft", "surface", "canvas"]],
  ["warn-text", ["warn-soft", "surface", "canvas", "accent-soft"]],
  ["bad-text", ["bad-soft", "surface", "canvas", "accent-soft"]],
  ..."abcdefg".split("").map((one): [string, string[]] => [`on-av-${one}`, [`av-${one}`]]),
];

const SHAPES: [ink: string, grounds: string[]][] = [
  ["control", ["surface"]],
  ["focus", ["surface", "canvas", "note"]],
  ["accent", ["surface", "canvas"]],
  ["ok", ["surface", "canvas"]],
  ["warn", ["surface"]],
  ["bad", ["surface", "canvas"]],
  ["on-channel", ["tg", "sms", "web", "wa"]],
];

const pairs = (list: [string, string[]][]) => list.flatMap(([ink, grounds]) => grounds.map((ground) => [ink, ground] as const));

describe.each([
  ["light", false],
  ["dark", true],
] as const)("%s theme", (_, dark) => {
  test.each(pairs(TEXT))("text in %s is readable on %s (4.5)", (ink, ground) => {
    expect(contrast(colour(ink, dark), colour(ground, dark))).toBeGreaterThanOrEqual(4.5);
  });
  test.each(pairs(SHAPES))("a shape in %s can be seen on %s (3)", (ink, ground) => {
    expect(contrast(colour(ink, dark), colour(ground, dark))).toBeGreaterThanOrEqual(3);
  });
});
