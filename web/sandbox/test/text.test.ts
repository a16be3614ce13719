import { afterEach, describe, expect, it } from "vitest";
import { language } from "../../shared/i18n";
import { s } from "../src/text";

afterEach(() => {
  language.value = "en";
});

describe("the sandbox's texts", () => {
  it("come in the language of the page, with their values", () => {
    expect(s("as", { name: "Giulia" })).toBe("Write as Giulia");
    language.value = "it";
    expect(s("as", { name: "Giulia" })).toBe("Come Giulia");
  });
});
