import { describe, expect, it } from "vitest";
import type { Knobs, WireEntry } from "../src/state/types";
import { lastCall, took, tone, waits } from "../src/state/wire";

describe("tone", () => {
  it.each([
    ["200", "ok"], ["201", "ok"], ["307", "ok"], ["429", "warn"], ["409", "warn"], ["cut", "warn"],
    ["502", "bad"], ["101", "ok"], ["connection refused", "bad"], ["timed out", "bad"],
  ])("of %s is %s", (outcome, expected) => {
    expect(tone(outcome)).toBe(expected);
  });
});

describe("took", () => {
  it("speaks in milliseconds below a second, in seconds above", () => {
    expect([took(0.24, "en"), took(118.4, "en"), took(1900, "en"), took(1900, "it")]).toEqual(["0.2 ms", "118 ms", "1.9 s", "1,9 s"]);
  });
});

describe("lastCall", () => {
  const entry = (more: Partial<WireEntry>): WireEntry => ({
    id: 1, at: "", channel: "telegram", direction: "out", call: "sendMessage", outcome: "200", note: "", ms: 1,
    payload: { request: null, response: null }, ...more,
  });

  it("is a call of the gateway that is no waiting for updates", () => {
    const wire = [entry({ id: 1 }), entry({ id: 2, call: "getUpdates" }), entry({ id: 3, direction: "in" }), entry({ id: 4, channel: "sms" })];
    expect(lastCall(wire, "telegram")?.id).toBe(1);
    expect(lastCall(wire, "webchat")).toBeUndefined();
  });
});

describe("waits", () => {
  const down: Knobs = { mode: "down", delay: 2, retry_after: 5, drop_webhooks: false, since: "2026-01-01T10:00:00.500Z" };

  it("says that what was written since the vendor went down has not gone on", () => {
    expect(waits(down, Date.parse("2026-01-01T10:00:00Z"))).toBe(true);
    expect(waits(down, Date.parse("2026-01-01T09:59:59Z"))).toBe(false);
    expect(waits({ ...down, mode: "ok" }, Date.parse("2026-01-01T11:00:00Z"))).toBe(false);
  });
});
