import { afterEach, describe, expect, test } from "vitest";
import { language, t, type TextKey } from "./i18n";
import { en } from "./text.en";
import { it } from "./text.it";

const keys = Object.keys(en) as TextKey[];
const holes = (text: string) => Array.from(new Set(text.match(/\{\w+\}/g) ?? [])).sort();

afterEach(() => {
  language.value = "en";
});

describe("the two languages", () => {
  test("have the same keys", () => {
    expect(Object.keys(it).sort()).toEqual([...keys].sort());
  });

  test("have the same holes, and no empty text", () => {
    expect(keys.filter((key) => !it[key].trim() || !en[key].trim())).toEqual([]);
    expect(keys.filter((key) => holes(it[key]).join() !== holes(en[key]).join())).toEqual([]);
  });

  test("choose one or many by n", () => {
    expect(t("compose.toolong", { n: 1, channel: "SMS" })).toBe("1 character too many for SMS");
    expect(t("compose.toolong", { n: 2, channel: "SMS" })).toBe("2 characters too many for SMS");
    language.value = "it";
    expect(t("list.new", { n: 1 })).toBe("1 nuova");
    expect(t("list.new", { n: 3 })).toBe("3 nuove");
  });

  test("put a value in as it is, even one that looks like a hole", () => {
    expect(t("list.empty.search", { q: "{n} $& <b>" })).toContain("{n} $& <b>");
  });
});

/** The pages' own source, without the texts. */
const sources = import.meta.glob(["../inbox/src/**/*.{ts,tsx}", "./*.{ts,tsx}", "!**/*.test.*", "!**/text.*.ts"], {
  query: "?raw",
  import: "default",
  eager: true,
}) as Record<string, string>;

test("every text is used somewhere, so that no dead ones gather", () => {
  const source = Object.values(sources).join("\n");
  // Some keys are put together: `kind.${kind}`, `ev.${kind}.system`.
  const starts = (key: string) => [key, key.replace(/\.system$/, "")].map((one) => one.replace(/\w+$/, ""));
  const used = (key: string) => source.includes(`"${key}"`) || starts(key).some((start) => source.includes(`\`${start}\${`));
  expect(keys.filter((key) => !used(key))).toEqual([]);
});
