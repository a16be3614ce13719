import { describe, expect, test } from "vitest";
import type { Preview } from "../../shared/api";
import { line, type Around } from "../src/logic/preview";
import { conversation } from "./make";

const quiet: Around = { typing: null, draft: "", unsent: null, me: "Anna" };
const last = (change: Partial<Preview> = {}): Preview => ({
  seq: 9, direction: "inbound", kind: "text", text: "Hello", status: "received", author: "", attachments: 0, ...change,
});
const say = (preview: Preview | null, around: Partial<Around> = {}, unsettled = 0) => {
  const { tone, lead, text } = line(conversation({ last_message: preview, unsettled }), { ...quiet, ...around });
  return [tone, `${lead} ${text}`.trim()];
};

describe("the line of a row", () => {
  test("prefers typing to a draft, a draft to a failure, a failure to an unknown", () => {
    const failed = last({ direction: "outbound", status: "failed" });
    expect(say(failed, { typing: "Elena", draft: "Dear" }, 1)).toEqual(["typing", "Elena is typing"]);
    expect(say(failed, { draft: "Dear" }, 1)).toEqual(["draft", "Draft: Dear"]);
    expect(say(failed, {}, 1)).toEqual(["failed", "Not sent: Hello"]);
    expect(say(last(), {}, 1)).toEqual(["unknown", "Did it arrive? Hello"]);
  });

  test("shows a reply that has not left this device", () => {
    expect(say(last(), { unsent: { text: "Soon", refused: false, problem: "" } })).toEqual(["waiting", "Waiting: Soon"]);
    expect(say(last(), { unsent: { text: "Soon", refused: true, problem: "Blocked" } })).toEqual(["failed", "Not sent: Blocked"]);
  });

  test("names the kind before the words, and counts several files", () => {
    expect(say(last({ kind: "image", text: "My lamp", attachments: 1 }))).toEqual(["plain", "Photo My lamp"]);
    expect(say(last({ kind: "image", text: "", attachments: 3 }))).toEqual(["plain", "3 files"]);
    expect(say(last({ kind: "hologram", text: "" }))).toEqual(["plain", "Unsupported message"]);
  });

  test("says who wrote a reply", () => {
    expect(say(last({ direction: "outbound", status: "sent", author: "Anna" }))).toEqual(["plain", "You: Hello"]);
    expect(say(last({ direction: "outbound", status: "sent", author: "Paolo" }))).toEqual(["plain", "Paolo: Hello"]);
    expect(say(last({ direction: "note", status: "noted", author: "Paolo" }))).toEqual(["plain", "Note: Hello"]);
  });

  test("has words for a conversation without a message", () => {
    expect(say(null)).toEqual(["plain", "No message yet"]);
  });
});
