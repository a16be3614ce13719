import { signal } from "@preact/signals";
import { Problem, type Attachment, type NewMessage, type Quote } from "../../../shared/api";
import type { Entry } from "../logic/group";

/** A message of mine on its way to the server. */
export interface Pending {
  conversation_id: string;
  body: NewMessage;
  at: string;
  state: "waiting" | "sending" | "refused";
  problem: string;
  /** What its bubble shows until the server's copy is there. */
  channel: string | null;
  attachments: Attachment[];
  quote: Quote | null;
}

export interface OutboxOptions {
  storage: Storage;
  /** Hands one message to the server; throws a `Problem`. */
  send: (pending: Pending) => Promise<void>;
  later?: (run: () => void, ms: number) => void;
}

const LONGEST_MS = 15_000;

/** Messages leave in order, one at a time in each conversation, and none is lost: they are on this device
    until the server has them. A repeat after a lost answer is harmless: the `client_id` is the same. */
export class Outbox {
  readonly entries = signal<Pending[]>([]);
  private owner = "";
  private failures = 0;
  private readonly busy = new Set<string>();

  constructor(private readonly options: OutboxOptions) {}

  /** Takes up what this agent left behind on this device. */
  open(agent: string): void {
    if (this.owner === agent) return;
    this.owner = agent;
    this.entries.value = this.stored();
    this.flush();
  }

  add(pending: Pending): void {
    this.store(pending);
    this.entries.value = [...this.entries.peek(), pending];
    this.flush();
  }

  retry(client_id: string): void {
    this.update(client_id, { state: "waiting", problem: "" });
    this.flush();
  }

  discard(client_id: string): void {
    this.options.storage.removeItem(this.key(client_id));
    this.entries.value = this.entries.peek().filter((one) => one.body.client_id !== client_id);
  }

  /** Sends all that waits. Free to call whenever something may have become better. */
  flush(): void {
    for (const { conversation_id } of this.entries.peek()) void this.drain(conversation_id);
  }

  private async drain(conversation: string): Promise<void> {
    if (this.busy.has(conversation)) return;
    this.busy.add(conversation);
    try {
      for (let next = this.next(conversation); next; next = this.next(conversation)) {
        if (!(await this.deliver(next))) break;
      }
    } finally {
      this.busy.delete(conversation);
    }
  }

  private next(conversation: string): Pending | undefined {
    return this.entries.peek().find((one) => one.conversation_id === conversation && one.state === "waiting");
  }

  /** `false`: not now; what follows in this conversation waits as well. */
  private async deliver(pending: Pending): Promise<boolean> {
    const { client_id } = pending.body;
    this.update(client_id, { state: "sending" });
    try {
      await this.options.send(pending);
      this.failures = 0;
      this.discard(client_id);
      return true;
    } catch (problem) {
      const passing = !(problem instanceof Problem) || problem.passing || problem.status === 401;
      if (!passing) {
        this.update(client_id, { state: "refused", problem: problem.body.reason ?? problem.message });
        return true;
      }
      this.update(client_id, { state: "waiting" });
      const wait = problem instanceof Problem && problem.body.retry_after ? problem.body.retry_after * 1000 : this.pause();
      (this.options.later ?? setTimeout)(() => this.flush(), wait);
      return false;
    }
  }

  private pause(): number {
    return Math.min(LONGEST_MS, 1000 * 2 ** this.failures++);
  }

  private update(client_id: string, change: Partial<Pending>): void {
    this.entries.value = this.entries.peek().map((one) => {
      if (one.body.client_id !== client_id) return one;
      const next = { ...one, ...change };
      this.store(next);
      return next;
    });
  }

  /** One key for each message: other tabs of this agent keep theirs beside it. */
  private store(pending: Pending): void {
    try {
      this.options.storage.setItem(this.key(pending.body.client_id), JSON.stringify(pending));
    } catch {
      // A full or closed storage: the message lives as long as the page.
    }
  }

  /** In the order they were written: a `client_id` begins with its time. */
  private stored(): Pending[] {
    const { storage } = this.options;
    const keys = Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? "");
    return keys
      .filter((key) => key.startsWith(this.key("")))
      .sort()
      .map((key) => JSON.parse(storage.getItem(key)!) as Pending)
      .map((one) => (one.state === "sending" ? { ...one, state: "waiting" } : one));
  }

  private key(client_id: string): string {
    return `bridge.outbox.${this.owner}.${client_id}`;
  }
}

/** What waits on this device, as entries of its thread; what the server has already is left out. */
export function asEntries(pending: Pending[], thread: Entry[], author: { id: string; name: string }): Entry[] {
  const there = new Set(thread.map((one) => one.client_id));
  const last = thread[thread.length - 1]?.seq ?? 0;
  return pending
    .filter((one) => !there.has(one.body.client_id))
    .map((one, index) => ({
      id: one.body.client_id,
      conversation_id: one.conversation_id,
      seq: last + 1 + index,
      direction: one.body.kind === "note" ? "note" : "outbound",
      kind: "text",
      channel: one.channel,
      channel_id: null,
      text: one.body.text,
      data: {},
      attachments: one.attachments,
      status: one.state === "refused" ? "rejected" : one.state === "sending" ? "sending" : "queued",
      reason: one.problem,
      author,
      client_id: one.body.client_id,
      reply_to: one.quote,
      created_at: one.at,
      provider_at: null,
      edited_at: null,
      late: false,
      may_be_there: false,
      local: { state: one.state, problem: one.problem },
    }));
}
