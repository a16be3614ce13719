import { describe, expect, test } from "vitest";
import { segments } from "../src/logic/segments";

describe("SMS segments", () => {
  test("160 characters of GSM-7 are one, 161 are two of 153", () => {
    expect(segments("a".repeat(160))).toMatchObject({ encoding: "GSM-7", used: 160, segments: 1, room: 160 });
    expect(segments("a".repeat(161))).toMatchObject({ segments: 2, room: 306 });
    expect(segments("a".repeat(307)).segments).toBe(3);
  });

  test("the euro sign takes two places and stays GSM-7", () => {
    expect(segments("€")).toMatchObject({ encoding: "GSM-7", used: 2, room: 160, culprit: "" });
    expect(segments("a".repeat(159) + "€").segments).toBe(2);
  });

  test("one other character makes it 70 and is named", () => {
    expect(segments("€ł")).toMatchObject({ encoding: "UCS-2", used: 2, room: 70, culprit: "ł" });
    expect(segments("ł".repeat(71))).toMatchObject({ segments: 2, room: 134 });
  });

  test("Italian accents fit GSM-7, a typographic apostrophe does not", () => {
    expect(segments("Perché no? Già, è così: più tardi.").culprit).toBe("");
    expect(segments("l’ordine").culprit).toBe("’");
  });

  test("an emoji takes two places and is not cut in two", () => {
    expect(segments("👍")).toMatchObject({ encoding: "UCS-2", used: 2 });
    // 66 letters, then an emoji that does not fit the last place of a part of 67.
    expect(segments("ł".repeat(66) + "👍" + "ł".repeat(66)).segments).toBe(3);
  });

  test("a two-place character is not cut in two either", () => {
    expect(segments("a".repeat(152) + "€" + "a".repeat(152)).segments).toBe(3);
  });
});
