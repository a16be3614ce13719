import { afterEach, describe, expect, test } from "vitest";
import { daysAgo, duration, elapsed, phone, size, when } from "./format";
import { language } from "./i18n";
import { initials } from "./icons";
import { uuid7 } from "./ids";

const now = new Date(2026, 10, 22, 14, 3);
const at = (...parts: [number, number, number, number, number]) => new Date(...parts).toISOString();

afterEach(() => {
  language.value = "en";
});

describe("times", () => {
  test("go by the calendar, not by 24 hours", () => {
    expect(daysAgo(at(2026, 10, 21, 23, 59), now)).toBe(1);
    expect(daysAgo(at(2026, 10, 22, 0, 1), now)).toBe(0);
  });

  test("are as short as they can be in a row", () => {
    expect(when(at(2026, 10, 22, 14, 2), now)).toBe("14:02");
    expect(when(at(2026, 10, 21, 9, 0), now)).toBe("Yesterday");
    expect(when(at(2026, 8, 3, 9, 0), now)).toMatch(/^3 Sep/);
    expect(when(at(2025, 8, 3, 9, 0), now)).toMatch(/^3 Sep\w* 2025$/);
  });

  test("follow the language", () => {
    language.value = "it";
    expect(when(at(2026, 10, 21, 9, 0), now)).toBe("Ieri");
    expect(when(at(2026, 8, 3, 9, 0), now)).toBe("3 set");
  });

  test("count waiting in the largest whole unit", () => {
    expect(elapsed(at(2026, 10, 22, 13, 51), now.getTime())).toBe("12 min");
    expect(elapsed(at(2026, 10, 22, 9, 51), now.getTime())).toBe("4 h");
    expect(elapsed(at(2026, 10, 19, 14, 3), now.getTime())).toBe("3 d");
  });
});

test("sizes are in powers of 1000, as limits are", () => {
  expect([size(900), size(84_000), size(1_500_000), size(50_000_000)]).toEqual(["900 B", "84 KB", "1.5 MB", "50 MB"]);
  language.value = "it";
  expect(size(1_500_000)).toBe("1,5 MB");
});

test("durations read as a player shows them", () => {
  expect([duration(17), duration(65)]).toEqual(["0:17", "1:05"]);
});

test.each([
  ["+393330104417", "+39 333 010 4417"],
  ["+15550001111", "+1 555 000 1111"],
  ["+351912345678", "+351 912 345 678"],
  ["+4915112345678", "+49 151 123 456 78"],
  ["@giuliaferri", "@giuliaferri"],
  ["12345", "12345"],
])("%s is read as %s", (raw, shown) => {
  expect(phone(raw)).toBe(shown);
});

test("initials are two letters, or the end of a number", () => {
  expect([initials("Giulia Ferri"), initials("maria"), initials("+39 351 010 7765"), initials("🎯 Ada"), initials("")]).toEqual([
    "GF", "M", "65", "A", "?",
  ]);
});

test("ids made in the same millisecond keep their order", () => {
  const ids = Array.from({ length: 50 }, () => uuid7(1_764_000_000_000));
  expect([...ids].sort()).toEqual(ids);
  expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
