import { expect, test } from "vitest";
import { Thread } from "./thread";
import type { Message, Page } from "./types";

const say = (seq: number, more: Partial<Message> = {}): Message => ({
  id: `m${seq}`, seq, mine: false, kind: "text", text: `text ${seq}`, attachments: [], status: "sent",
  author: "Anna", client_id: null, created_at: "2026-11-22T14:02:07.125Z", ...more,
});
const page = (items: Message[], more: boolean | null = false, read = 0): Page => ({ items, more, read });
const seqs = (thread: Thread): number[] => thread.messages.map((message) => message.seq);

/** A page that comes back gets the newest again: what it knows must not appear twice. */
test("a repeated piece doubles nothing", () => {
  const thread = new Thread();
  thread.apply(page([say(1), say(2)]));
  expect(thread.apply(page([say(1), say(2), say(3)])).map((message) => message.seq)).toEqual([3]);
  expect(seqs(thread)).toEqual([1, 2, 3]);
});

/** News and the newest cross on the line: the order of arrival must not matter. */
test("pieces in any order make the same thread", () => {
  const thread = new Thread();
  thread.apply(page([say(3)], null));
  thread.apply(page([say(1), say(2)]));
  expect(seqs(thread)).toEqual([1, 2, 3]);
});

/** The answer to a request may come after the news that the message was read. */
test("a state never goes back", () => {
  const thread = new Thread();
  thread.apply(page([say(1, { status: "read" })]));
  thread.put(say(1, { status: "sent", text: "edited" }));
  expect(thread.messages[0]).toMatchObject({ status: "read", text: "edited" });
});

/** After a night away more may have come than is sent at once: a hole would never be filled. */
test("a gap begins anew instead of leaving a hole", () => {
  const thread = new Thread();
  thread.apply(page([say(1), say(2)]));
  thread.apply(page([say(80), say(81)], true));
  expect(seqs(thread)).toEqual([80, 81]);
  expect(thread.more).toBe(true);
});

/** The newest that reach back to what is known leave it in place, and older ones stay reachable. */
test("older messages stay when the newest overlap", () => {
  const thread = new Thread();
  thread.apply(page([say(50), say(51)], true));
  thread.apply(page([say(48), say(49)], true));
  thread.apply(page([say(51), say(52)], true));
  expect(seqs(thread)).toEqual([48, 49, 50, 51, 52]);
  thread.apply(page([say(47)], false));
  expect(thread.more).toBe(false);
  thread.apply(page([say(53)], null));
  expect(thread.more).toBe(false);
});

/** The badge counts what the team wrote and nobody looked at, in this tab or another. */
test("unread leaves out own, read and seen messages", () => {
  const thread = new Thread();
  thread.apply(page([say(1, { mine: true }), say(2, { status: "read" }), say(3), say(4, { status: "delivered" })]));
  expect(thread.unread.map((message) => message.seq)).toEqual([3, 4]);
  thread.seen.add("m3");
  expect(thread.unread.map((message) => message.seq)).toEqual([4]);
});

/** "Read" under an own message comes from how far the team has read. */
test("own messages are read up to where the team is", () => {
  const thread = new Thread();
  thread.apply(page([say(1, { mine: true }), say(2, { mine: true })], false, 1));
  expect(thread.messages.map((message) => thread.stateOf(message))).toEqual(["read", "sent"]);
  thread.apply(page([], null, 0));
  expect(thread.stateOf(thread.messages[0]!)).toBe("read");
});
