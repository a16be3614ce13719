import { expect, test } from "vitest";
import { contrast, inksFor, parseHex } from "./ink";

const rgb = (css: string): [number, number, number] => css.match(/\d+/g)!.map(Number) as [number, number, number];

/** Sites choose any colour; every word on it and in it must be readable. */
test.each(["#000", "#fff", "#ffd400", "#a33f1a", "#4a40d4", "#767676", "#777777", "#1c86bd", "#ff0000", "#0f0"])(
  "everything can be read with %s",
  (color) => {
    const inks = inksFor(parseHex(color)!);
    expect(contrast(rgb(inks.ink), rgb(inks.accent))).toBeGreaterThan(4.4);
    expect(contrast(rgb(inks.ink), rgb(inks.pale))).toBeGreaterThan(4.4);
    expect(contrast(rgb(inks.onLight), [255, 255, 255])).toBeGreaterThan(4.4);
    expect(contrast(rgb(inks.onDark), [23, 21, 26])).toBeGreaterThan(4.4);
  },
);

/** What is no colour leaves the widget in its own. */
test("only hex colours are taken", () => {
  expect(parseHex("#A33F1A")).toEqual([163, 63, 26]);
  expect(parseHex("fd4")).toEqual([255, 221, 68]);
  for (const wrong of ["red", "#12345", "url(x)", ""]) expect(parseHex(wrong)).toBeUndefined();
});
