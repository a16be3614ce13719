import type { Activity, Message } from "../../../shared/api";

/** A message that is in the thread, or one of mine that has not reached the server yet. */
export interface Entry extends Message {
  /** Set while it is only on this device: why, and what was said about it. */
  local?: { state: "waiting" | "sending" | "refused"; problem: string };
}

export type Item =
  | { type: "new"; key: string }
  | { type: "continues"; key: string; channel: string }
  | { type: "events"; key: string; events: Activity[] }
  | { type: "note"; key: string; message: Entry }
  | { type: "group"; key: string; mine: boolean; channel: string | null; messages: Entry[] };

/** A day of a thread with its items. */
export interface Day {
  key: string;
  at: string;
  items: Item[];
}

const GROUP_MS = 5 * 60_000;

/** When a message was written: the vendor's time where there is one. */
export function writtenAt(message: Message): string {
  return message.provider_at ?? message.created_at;
}

/** A thread as it is read from top to bottom, by days. `newFrom` is the first unread message's `seq`. */
export function arrange(messages: Entry[], events: Activity[], newFrom: number | null): Day[] {
  const days: Day[] = [];
  let items: Item[] = [];
  const waiting = [...events].sort((a, b) => a.after_seq - b.after_seq || Date.parse(a.at) - Date.parse(b.at));
  const first = messages[0]?.seq ?? 0;
  let channel: string | null = null;

  const startDay = (at: string) => {
    const key = new Date(at).toDateString();
    if (key === days[days.length - 1]?.key) return;
    items = [];
    days.push({ key, at, items });
  };
  const pass = (until: number) => {
    while (waiting[0] && waiting[0].after_seq < until) {
      const event = waiting.shift()!;
      // What happened before the oldest loaded message belongs to a page that is not shown.
      if (event.after_seq < first - 1) continue;
      startDay(event.at);
      addEvent(items, event);
    }
  };

  for (const message of messages) {
    pass(message.seq);
    startDay(writtenAt(message));
    if (message.seq === newFrom) items.push({ type: "new", key: "new" });
    if (message.direction === "note") {
      items.push({ type: "note", key: message.id, message });
      continue;
    }
    if (message.direction === "inbound" && channel && message.channel && message.channel !== channel) {
      items.push({ type: "continues", key: `continues ${message.id}`, channel: message.channel });
    }
    channel = message.channel ?? channel;
    addMessage(items, message);
  }
  pass(Infinity);
  return days;
}

function addEvent(items: Item[], event: Activity): void {
  const last = items[items.length - 1];
  if (last?.type === "events") last.events.push(event);
  else items.push({ type: "events", key: event.id, events: [event] });
}

function addMessage(items: Item[], message: Entry): void {
  const last = items[items.length - 1];
  if (last?.type === "group" && belongs(last.messages[last.messages.length - 1]!, message)) last.messages.push(message);
  else items.push({ type: "group", key: key(message), mine: message.direction === "outbound", channel: message.channel, messages: [message] });
}

/** One's own bubble keeps its place on the page when the server's copy takes over. */
export function key(message: Entry): string {
  return message.client_id ?? message.id;
}

function belongs(before: Entry, message: Entry): boolean {
  return (
    before.direction === message.direction &&
    before.channel === message.channel &&
    before.author?.id === message.author?.id &&
    Math.abs(Date.parse(writtenAt(message)) - Date.parse(writtenAt(before))) <= GROUP_MS
  );
}

/** Where "New" goes: the message that begins the last `unread` ones of the customer. */
export function firstUnread(messages: Message[], unread: number): number | null {
  let left = unread;
  let found: number | null = null;
  for (let index = messages.length - 1; index >= 0 && left > 0; index--) {
    const message = messages[index]!;
    if (message.direction !== "inbound") continue;
    found = message.seq;
    left -= 1;
  }
  return found;
}
