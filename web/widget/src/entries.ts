/** The thread and the outbox as what is on the screen: one list, in groups, with days between. */

import type { Chat } from "./chat";
import type { Message } from "./types";
import type { Waiting } from "./outbox";
import type { Upload } from "./uploads";

export interface Entry {
  /** Stays the same when an own message turns from waiting into stored: its bubble is not made anew. */
  key: string;
  mine: boolean;
  author: string;
  at: number;
  text: string;
  /** `waiting`, `sending`, `failed`, or a state of the gateway. */
  state: string;
  message?: Message;
  waiting?: Waiting;
  upload?: Upload;
}

export interface Group {
  key: string;
  /** Set where a new day begins. */
  day?: Date;
  mine: boolean;
  author: string;
  entries: Entry[];
}

const CLOSE = 5 * 60_000;

/** All that there is to show, oldest first; what waits comes last. */
export function entriesOf(chat: Chat): Entry[] {
  const stored = chat.thread.messages.map((message): Entry => ({
    key: message.client_id ?? message.id,
    mine: message.mine,
    author: message.author,
    at: Date.parse(message.created_at),
    text: message.text,
    state: message.mine ? chat.thread.stateOf(message) : message.status,
    message,
  }));
  const taken = new Set(stored.map((entry) => entry.key));
  const waiting = chat.outbox.items
    .filter((item) => !taken.has(item.id))
    .map((item): Entry => {
      const upload = chat.uploads.get(item.id);
      return {
        key: item.id, mine: true, author: "", at: item.at, text: item.text, waiting: item,
        state: item.failed !== undefined ? "failed" : chat.online ? "sending" : "waiting",
        ...(upload && { upload }),
      };
    });
  return [...stored, ...waiting];
}

/** Entries of one speaker within five minutes stand together; a failed one stands alone. */
export function groupsOf(entries: Entry[]): Group[] {
  const groups: Group[] = [];
  let last: Entry | undefined;
  for (const entry of entries) {
    const newDay = !last || !sameDay(last.at, entry.at);
    const group = groups.at(-1);
    const joins =
      group && last && !newDay && group.mine === entry.mine && group.author === entry.author &&
      entry.at - last.at < CLOSE && last.state !== "failed" && !last.upload && !entry.upload;
    if (joins) group.entries.push(entry);
    else
      groups.push({
        key: entry.key, mine: entry.mine, author: entry.author, entries: [entry],
        ...(newDay && { day: new Date(entry.at) }),
      });
    last = entry;
  }
  return groups;
}

function sameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString();
}

/** How the team speaks of itself to visitors. */
export function firstName(name: string): string {
  return name.split(" ")[0]!;
}

/** "Today", "Yesterday", "3 September", "3 September 2025". */
export function dayName(day: Date, lang: string, now = new Date()): string {
  const back = Math.round((midnight(now) - midnight(day)) / 86_400_000);
  const text =
    back < 2
      ? new Intl.RelativeTimeFormat(lang, { numeric: "auto" }).format(-back, "day")
      : day.toLocaleDateString(lang, {
          day: "numeric", month: "long", ...(day.getFullYear() !== now.getFullYear() && { year: "numeric" }),
        });
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function midnight(day: Date): number {
  return new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime();
}
