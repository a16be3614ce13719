import { describe, expect, test } from "vitest";
import { words } from "./words";

describe("what the widget says", () => {
  test("counts one as one", () => {
    expect([1, 2].map(words.en.tooLong)).toEqual(["1 character too many", "2 characters too many"]);
    expect([1, 2].map(words.it.tooLong)).toEqual(["1 carattere di troppo", "2 caratteri di troppo"]);
  });
});
