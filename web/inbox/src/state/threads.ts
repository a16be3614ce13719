import { batch, signal } from "@preact/signals";
import { api, Problem, type Activity, type Message } from "../../../shared/api";
import { firstUnread } from "../logic/group";
import { contact, glance, takeContact, takeConversation } from "./conversations";
import { takeServerDrafts } from "./drafts";
import { feedTells } from "./feed";
import { now, overtaken, toldByFeed } from "./freshness";

const PAGE = 50;
/** A thread shows at most this many messages; pages beyond are dropped on the far side. */
const MOST = 250;
const KEPT_THREADS = 30;

/** The messages of one conversation that are loaded: one stretch without holes. */
export class Thread {
  readonly messages = signal<Message[]>([]);
  readonly activity = signal<Activity[]>([]);
  readonly state = signal<"loading" | "ready" | "error" | "gone">("loading");
  readonly atStart = signal(true);
  readonly atEnd = signal(true);
  /** The first message that was unread when the agent came. */
  readonly newFrom = signal<number | null>(null);
  private paging = false;

  constructor(readonly id: string) {}

  /** Loads the newest page, and the conversation with its contact. */
  async load(): Promise<void> {
    await feedTells;
    const [since, asked] = [now(), performance.now()];
    try {
      const [detail, page, activity] = await Promise.all([
        api.conversation(this.id),
        api.messages(this.id, { limit: PAGE }),
        api.activity(this.id),
      ]);
      batch(() => {
        const { drafts, ...rest } = detail;
        takeConversation(rest, since);
        takeServerDrafts(this.id, drafts, asked);
        const newer = this.messages.peek().filter((one) => overtaken(one.id, since));
        this.messages.value = merge(page.items, newer);
        this.activity.value = mergeActivity(activity.items, this.activity.peek());
        this.atStart.value = (page.items[0]?.seq ?? 1) <= 1 || page.items.length < PAGE;
        this.atEnd.value = true;
        this.state.value = "ready";
        this.visit();
      });
      await loadContact(detail.contact.id);
    } catch (problem) {
      if (this.state.peek() === "ready") return;
      this.state.value = problem instanceof Problem && problem.status === 404 ? "gone" : "error";
    }
  }

  /** The agent opens the thread: "New" stands where the unread part begins, until the next visit. */
  visit(): void {
    const unread = glance(this.id)?.unread ?? 0;
    this.newFrom.value = unread ? firstUnread(this.messages.peek(), unread) : null;
  }

  async older(): Promise<void> {
    const first = this.messages.peek()[0];
    if (!first || this.atStart.peek()) return;
    await this.page(async () => {
      const { items } = await api.messages(this.id, { before: first.seq, limit: PAGE });
      batch(() => {
        const all = merge(items, this.messages.peek());
        this.atStart.value = items.length < PAGE;
        if (all.length > MOST) this.atEnd.value = false;
        this.messages.value = all.slice(0, MOST);
      });
    });
  }

  async newer(): Promise<void> {
    const messages = this.messages.peek();
    const last = messages[messages.length - 1];
    if (!last || this.atEnd.peek()) return;
    await this.page(async () => {
      const { items } = await api.messages(this.id, { after: last.seq, limit: PAGE });
      batch(() => {
        const all = merge(this.messages.peek(), items);
        this.atEnd.value = items.length < PAGE;
        if (all.length > MOST) this.atStart.value = false;
        this.messages.value = all.slice(-MOST);
      });
    });
  }

  /** Makes the newest page the loaded one, if it is not. */
  async toEnd(): Promise<void> {
    if (this.atEnd.peek()) return;
    await this.page(async () => {
      const { items } = await api.messages(this.id, { limit: PAGE });
      batch(() => {
        this.messages.value = items;
        this.atStart.value = items.length < PAGE;
        this.atEnd.value = true;
      });
    });
  }

  /** Drops what is far above, while the agent reads at the end. */
  trim(): void {
    const messages = this.messages.peek();
    if (messages.length <= MOST || !this.atEnd.peek()) return;
    batch(() => {
      this.messages.value = messages.slice(-PAGE * 2);
      this.atStart.value = false;
    });
  }

  /** One page at a time; a page that fails is asked for again by the next scroll. */
  private async page(load: () => Promise<void>): Promise<void> {
    if (this.paging) return;
    this.paging = true;
    try {
      await load();
    } catch {
      // The offline bar says what is wrong.
    } finally {
      this.paging = false;
    }
  }

  take(message: Message, since?: number): void {
    const messages = this.messages.peek();
    const here = messages.some((one) => one.id === message.id);
    if (here && since !== undefined && overtaken(message.id, since)) return;
    if (!here && !this.atEnd.peek()) return;
    this.messages.value = merge(messages, [message]);
  }
}

/** Both, by `seq`; of one message the copy in `newer` stays. */
export function merge(older: Message[], newer: Message[]): Message[] {
  const last = older[older.length - 1];
  if (!last || (newer[0] && newer[0].seq > last.seq)) return [...older, ...newer];
  const byId = new Map(older.map((one) => [one.id, one]));
  for (const one of newer) byId.set(one.id, one);
  return Array.from(byId.values()).sort((a, b) => a.seq - b.seq);
}

function mergeActivity(one: Activity[], other: Activity[]): Activity[] {
  const byId = new Map([...one, ...other].map((event) => [event.id, event]));
  return Array.from(byId.values());
}

async function loadContact(id: string): Promise<void> {
  contact(id); // from here on the feed's word on it counts
  const since = now();
  takeContact(await api.contact(id), since);
}

const threads = new Map<string, Thread>();

/** The thread of a conversation; loaded on the first call, kept fresh by the feed afterwards. */
export function thread(id: string): Thread {
  let found = threads.get(id);
  if (!found) {
    found = new Thread(id);
    void found.load();
  }
  threads.delete(id);
  threads.set(id, found);
  if (threads.size > KEPT_THREADS) threads.delete(threads.keys().next().value!);
  return found;
}

/** Takes a message in; without `since` the feed told it. */
export function takeMessage(message: Message, since?: number): void {
  threads.get(message.conversation_id)?.take(message, since);
  if (since === undefined) toldByFeed(message.id);
}

export function takeActivity(event: Activity): void {
  const found = threads.get(event.conversation_id);
  if (found) found.activity.value = mergeActivity(found.activity.peek(), [event]);
}

/** After the feed lost its place: everything is loaded again when it is looked at, the open one now. */
export function dropThreads(open: string): void {
  for (const id of threads.keys()) if (id !== open) threads.delete(id);
  void threads.get(open)?.load();
}

/** The agent read a conversation up to its last message. */
export async function markRead(id: string): Promise<void> {
  const since = now();
  const seq = glance(id)?.last_seq;
  if (seq === undefined) return;
  try {
    takeConversation(await api.read(id, seq), since);
  } catch {
    // It stays unread, which is what the server thinks as well.
  }
}
