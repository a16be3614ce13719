import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { keepIn } from "./keep";

beforeEach(() => localStorage.clear());
afterEach(() => vi.unstubAllGlobals());

/** What was typed must be there after a reload: a new keeper stands for the reloaded page. */
test("a kept value survives a reload", () => {
  keepIn("a.").set("draft", "Buongiorno");
  expect(keepIn("a.").get("draft")).toBe("Buongiorno");
});

/** Two gateways on one site must not read each other's visitors. */
test("spaces do not see each other", () => {
  keepIn("a.").set("session", { token: "x" });
  expect(keepIn("b.").get("session")).toBeUndefined();
  expect(keepIn("b.").all("")).toEqual([]);
});

/** Private windows refuse storage, and the chat must work there too. */
test("without storage values live as long as the page", () => {
  vi.stubGlobal("localStorage", {
    getItem: () => null,
    setItem: () => {
      throw new DOMException("full", "QuotaExceededError");
    },
    removeItem: () => {},
  });
  const keep = keepIn("a.");
  keep.set("out.1", { id: "1" });
  expect(keep.get("out.1")).toEqual({ id: "1" });
  expect(keep.all("out.")).toEqual([{ id: "1" }]);
  keep.drop("out.1");
  expect(keep.all("out.")).toEqual([]);
});

/** Somebody else's scripts share the storage: a broken value is no value. */
test("a value that is not ours is ignored", () => {
  localStorage.setItem("a.session", "{broken");
  expect(keepIn("a.").get("session")).toBeUndefined();
  expect(keepIn("a.").all("")).toEqual([]);
});

/** Tabs share one chat, so each hears what the others write, without the prefix. */
test("another tab's change is told", () => {
  const heard: string[] = [];
  keepIn("a.").watch((key) => heard.push(key));
  for (const key of ["a.draft", "b.draft", "cart"]) dispatchEvent(new StorageEvent("storage", { key }));
  expect(heard).toEqual(["draft"]);
});
