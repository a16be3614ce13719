/** The visitor's thread as the gateway told it: pieces in any order and number become one list. */

import type { Message, Page } from "./types";

const RANK = ["queued", "sending", "sent", "delivered", "read"];

/** A state only moves forward, in whatever order the news of it arrives. */
function newer(had: Message, got: Message): Message {
  return RANK.indexOf(got.status) < RANK.indexOf(had.status) ? { ...got, status: had.status } : got;
}

export class Thread {
  messages: Message[] = [];
  /** Older messages exist on the server. */
  more = false;
  /** Looked at in this tab; the gateway's own word on it may still be on its way. */
  readonly seen = new Set<string>();
  /** The team read up to this `seq`. */
  read = 0;

  /** Take a piece in; returns what the page has never had before. */
  apply({ items, more, read }: Page): Message[] {
    const known = new Map(this.messages.map((message) => [message.id, message]));
    const fresh = items.filter((message) => !known.has(message.id));
    const [first, last] = [this.messages[0], this.messages.at(-1)];
    const begin = items[0]?.seq ?? Infinity;
    // The newest do not reach back to what is here: what lies between is not known, so begin anew.
    const gap = more === true && last !== undefined && begin > last.seq;
    if (more !== null && (!first || gap || begin < first.seq)) this.more = more;
    const next = gap ? new Map<string, Message>() : known;
    for (const message of items) {
      const had = known.get(message.id);
      next.set(message.id, had ? newer(had, message) : message);
    }
    this.messages = [...next.values()].sort((a, b) => a.seq - b.seq);
    this.read = Math.max(this.read, read);
    return fresh;
  }

  /** One message that a request answered with. */
  put(message: Message): void {
    this.apply({ items: [message], more: null, read: 0 });
  }

  /** What the team wrote and the visitor has not looked at, here or in another tab. */
  get unread(): Message[] {
    return this.messages.filter((message) => !message.mine && message.status !== "read" && !this.seen.has(message.id));
  }

  /** How far one of the visitor's own messages got. */
  stateOf(message: Message): string {
    return message.seq <= this.read ? "read" : message.status;
  }
}
