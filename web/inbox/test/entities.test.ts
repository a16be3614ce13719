import { describe, expect, test } from "vitest";
import { readEntities, runs, safeHref } from "../src/logic/entities";

const joined = (text: string, entities: Parameters<typeof runs>[1]) => runs(text, entities).map((run) => run.text).join("");

describe("formatting", () => {
  test("offsets are UTF-16 units, as Telegram counts", () => {
    const found = runs("👍 ok", [{ type: "bold", offset: 3, length: 2 }]);
    expect(found).toEqual([{ text: "👍 ", marks: [] }, { text: "ok", marks: [{ type: "bold" }] }]);
  });

  test("marks inside one another are kept, the outer one first", () => {
    const found = runs("abcd", [
      { type: "italic", offset: 1, length: 2 },
      { type: "bold", offset: 0, length: 4 },
    ]);
    expect(found.map((run) => run.marks.map((mark) => mark.type))).toEqual([["bold"], ["bold", "italic"], ["bold"]]);
  });

  test("ranges that overlap or run over the end lose no text", () => {
    const entities = [
      { type: "bold", offset: 0, length: 3 },
      { type: "italic", offset: 2, length: 99 },
    ];
    expect(joined("abcde", entities)).toBe("abcde");
  });

  test("web addresses in plain text become links, without the dot that ends the sentence", () => {
    const found = runs("See https://example.org/a?b=1. Bye", []);
    expect(found[1]).toEqual({ text: "https://example.org/a?b=1", marks: [{ type: "url", href: "https://example.org/a?b=1" }] });
  });

  test("what makes no sense is left out", () => {
    expect(readEntities([{ type: "bold" }, null, { type: 1, offset: 0, length: 1 }, { type: "bold", offset: 9, length: 1 }], "abc")).toEqual([]);
    expect(readEntities("bold", "abc")).toEqual([]);
  });
});

describe("links", () => {
  test.each(["javascript:alert(1)", "JaVaScRiPt:alert(1)", " data:text/html,x", "vbscript:x", "//evil.example", "file:///etc/passwd", "java\nscript:x"])(
    "%s is not opened",
    (address) => {
      expect(safeHref(address)).toBe("");
      expect(runs("click", [{ type: "text_link", offset: 0, length: 5, url: address }])[0]!.marks[0]).toEqual({ type: "text_link" });
    },
  );

  test("web, mail and telephone addresses are", () => {
    expect(safeHref("https://example.org/a b")).toBe("https://example.org/a%20b");
    expect(runs("a@example.org", [{ type: "email", offset: 0, length: 13 }])[0]!.marks[0]!.href).toBe("mailto:a@example.org");
    expect(runs("+39 333 010", [{ type: "phone_number", offset: 0, length: 11 }])[0]!.marks[0]!.href).toBe("tel:+39333010");
    expect(runs("example.org", [{ type: "url", offset: 0, length: 11 }])[0]!.marks[0]!.href).toBe("https://example.org/");
  });

  test("the words of a link cannot make its address unsafe", () => {
    const text = "javascript:alert(1)";
    expect(runs(text, [{ type: "url", offset: 0, length: text.length }])[0]!.marks[0]!.href).toBeUndefined();
  });
});
