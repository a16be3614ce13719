import { describe, expect, it } from "vitest";
import { ended, outageOf, signature } from "../src/logic/outage";
import { channel } from "./make";

const INCIDENT = { id: "i1", started_at: "2026-11-22T12:00:00.000Z" };

const well = channel({ id: 9, type: "sms", label: "SMS" });
const down = channel({ state: "down", incident: INCIDENT });
const back = channel({ state: "recovering", incident: INCIDENT });

describe("what the banner says", () => {
  it("is silent while all is well, also where a channel is only slow", () => {
    expect(outageOf([well, channel({ state: "degraded" })])).toBeNull();
  });

  it("names every channel that is down", () => {
    const other = channel({ id: 2, label: "Telegram", state: "down", incident: { ...INCIDENT, id: "i2" } });
    expect(outageOf([well, down, other])).toEqual({ is: "down", channels: [down, other] });
  });

  it("puts what a person must mend first", () => {
    const refused = channel({ id: 3, state: "setup", detail: "The access token has expired" });
    expect(outageOf([down, refused])).toEqual({ is: "needs", channels: [refused] });
    expect(outageOf([channel({ state: "setup" })])).toBeNull();
  });

  it("says that a channel is coming back only when no other is down", () => {
    expect(outageOf([back, well])).toEqual({ is: "recovering", channels: [back] });
    expect(outageOf([back, channel({ id: 2, state: "down", incident: INCIDENT })])?.is).toBe("down");
  });

  it("still says down where a channel that came back is in doubt again", () => {
    expect(outageOf([channel({ state: "degraded", incident: INCIDENT })])?.is).toBe("down");
  });
});

describe("a banner that was hidden", () => {
  it("comes back with the next change and with the next incident, not with a frame that says the same", () => {
    const shown = signature(outageOf([down])!);
    expect(signature(outageOf([{ ...down }, well])!)).toBe(shown);
    expect(signature(outageOf([back])!)).not.toBe(shown);
    expect(signature(outageOf([channel({ state: "down", incident: { ...INCIDENT, id: "i2" } })])!)).not.toBe(shown);
  });
});

describe("the good news", () => {
  it("is a channel whose incident is over and that works", () => {
    expect(ended([down, well], [channel(), well])).toEqual([channel()]);
    expect(ended([back], [channel()])).toEqual([channel()]);
    expect(ended([down], [back])).toEqual([]);
    expect(ended([], [channel()])).toEqual([]);
    expect(ended([down], [channel({ state: "setup", detail: "refused" })])).toEqual([]);
  });
});
