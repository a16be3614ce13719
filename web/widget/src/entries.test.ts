import { expect, test } from "vitest";
import { dayName, groupsOf, type Entry } from "./entries";

const at = (time: string): number => new Date(`2026-11-22T${time}`).getTime();
const entry = (key: string, time: string, more: Partial<Entry> = {}): Entry => ({
  key, mine: false, author: "Anna", at: at(time), text: key, state: "sent", ...more,
});
const shape = (entries: Entry[]): string[] => groupsOf(entries).map((group) => group.entries.map((e) => e.key).join(""));

/** One line of meta for what was said in one go. */
test("one speaker within five minutes is a group", () => {
  expect(shape([entry("a", "14:00"), entry("b", "14:03"), entry("c", "14:09")])).toEqual(["ab", "c"]);
});

/** Two agents are two people. */
test("another speaker begins a group", () => {
  expect(shape([entry("a", "14:00"), entry("b", "14:01", { author: "Paolo" }), entry("c", "14:02", { mine: true })])).toEqual(
    ["a", "b", "c"],
  );
});

/** What failed has buttons of its own. */
test("a failed message stands alone", () => {
  const mine = { mine: true, author: "" };
  expect(shape([entry("a", "14:00", { ...mine, state: "failed" }), entry("b", "14:01", mine)])).toEqual(["a", "b"]);
});

/** A day line stands only where a day begins. */
test("each day begins with its line", () => {
  const entries = [entry("a", "23:59"), { ...entry("b", "23:59"), at: at("23:59") + 120_000 }];
  expect(groupsOf(entries).map((group) => !!group.day)).toEqual([true, true]);
  expect(groupsOf([entry("a", "14:00"), entry("b", "15:00")]).map((group) => !!group.day)).toEqual([true, false]);
});

/** Days are named as people name them. */
test("days have names in both languages", () => {
  const now = new Date(2026, 10, 22, 1);
  expect(dayName(new Date(2026, 10, 22), "it", now)).toBe("Oggi");
  expect(dayName(new Date(2026, 10, 21, 23), "en", now)).toBe("Yesterday");
  expect(dayName(new Date(2026, 8, 3), "it", now)).toBe("3 settembre");
  expect(dayName(new Date(2025, 8, 3), "en", now)).toContain("2025");
});
