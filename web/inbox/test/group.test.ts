import { describe, expect, test } from "vitest";
import { arrange, firstUnread } from "../src/logic/group";
import { activity, message } from "./make";

const minute = (n: number) => new Date(Date.UTC(2026, 10, 22, 12, n)).toISOString();
const shape = (...parameters: Parameters<typeof arrange>) =>
  arrange(...parameters).flatMap((day) =>
    day.items.map((item) => (item.type === "group" ? `${item.type} ${item.messages.map((one) => one.seq).join(",")}` : item.type)),
  );
const anna = { id: "a", name: "Anna" };
const paolo = { id: "p", name: "Paolo" };

describe("a thread", () => {
  test("groups what one person wrote on one channel within five minutes", () => {
    const messages = [
      message({ seq: 1, created_at: minute(0) }),
      message({ seq: 2, created_at: minute(5) }),
      message({ seq: 3, created_at: minute(11) }),
    ];
    expect(shape(messages, [], null)).toEqual(["group 1,2", "group 3"]);
  });

  test("keeps two agents apart", () => {
    const reply = { direction: "outbound", status: "sent" } as const;
    const messages = [message({ seq: 1, ...reply, author: anna }), message({ seq: 2, ...reply, author: paolo })];
    expect(shape(messages, [], null)).toEqual(["group 1", "group 2"]);
  });

  test("says when the customer continues on another channel, but not when an agent writes on one", () => {
    const messages = [
      message({ seq: 1, channel: "webchat" }),
      message({ seq: 2, channel: "telegram" }),
      message({ seq: 3, channel: "sms", direction: "outbound" }),
      message({ seq: 4, channel: "sms" }),
    ];
    expect(shape(messages, [], null)).toEqual(["group 1", "continues", "group 2", "group 3", "group 4"]);
  });

  test("lets a note stand alone, and remembers the channel across it", () => {
    const note = message({ seq: 2, direction: "note", channel: null, status: "noted" });
    expect(shape([message({ seq: 1 }), note, message({ seq: 3 })], [], null)).toEqual(["group 1", "note", "group 3"]);
  });

  test("puts events after the message they followed, in order, together", () => {
    const events = [
      activity({ id: "b", after_seq: 1, at: minute(2) }),
      activity({ id: "a", after_seq: 1, at: minute(1) }),
      activity({ id: "c", after_seq: 2, at: minute(3) }),
    ];
    const days = arrange([message({ seq: 1 }), message({ seq: 2 })], events, null);
    expect(days[0]!.items.map((item) => item.type)).toEqual(["group", "events", "group", "events"]);
    expect(days[0]!.items[1]).toMatchObject({ events: [{ id: "a" }, { id: "b" }] });
  });

  test("leaves out events of pages that are not loaded", () => {
    const old = activity({ after_seq: 3 });
    expect(shape([message({ seq: 40 }), message({ seq: 41 })], [old], null)).toEqual(["group 40,41"]);
  });

  test("begins a part for each day, by the vendor's time", () => {
    const yesterday = message({ seq: 1, provider_at: "2026-11-20T12:00:00.000Z", created_at: minute(0), late: true });
    expect(arrange([yesterday, message({ seq: 2, created_at: minute(1) })], [], null)).toHaveLength(2);
  });

  test("marks where the unread part begins, also inside a group", () => {
    const messages = [message({ seq: 1 }), message({ seq: 2 })];
    expect(shape(messages, [], 2)).toEqual(["group 1", "new", "group 2"]);
  });
});

test("the first unread message is counted back over the customer's own", () => {
  const messages = [message({ seq: 1 }), message({ seq: 2 }), message({ seq: 3, direction: "outbound" }), message({ seq: 4 })];
  expect(firstUnread(messages, 2)).toBe(2);
  expect(firstUnread(messages, 0)).toBeNull();
  expect(firstUnread(messages, 99)).toBe(1);
});
