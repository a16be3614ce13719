/** The visitor's own messages until the gateway has them: kept, in order, each under its client id. */

import type { Keep } from "./keep";

export interface Waiting {
  /** The client id: the gateway takes each only once, so sending again is always safe. */
  id: string;
  /** Milliseconds; orders the outbox. */
  at: number;
  text: string;
  file?: { name: string; mime: string; size: number; id?: string };
  /** Set when the gateway refused it for good: its status. */
  failed?: number;
}

const KEY = "out.";

/** What became of one try. `later` ends the round: the rest waits behind it, in order. */
export type Fate = "sent" | "later" | "skip" | { failed: number };

export class Outbox {
  items: Waiting[];
  private busy = false;

  constructor(
    private readonly keep: Keep,
    private readonly changed: () => void,
  ) {
    this.items = this.read();
  }

  /** Each message has a key of its own, so two tabs never overwrite each other's. */
  private read(): Waiting[] {
    return this.keep.all<Waiting>(KEY).sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
  }

  /** Another tab wrote: take its word for it. */
  refresh(key: string): void {
    if (!key.startsWith(KEY)) return;
    this.items = this.read();
    this.changed();
  }

  add(text: string, file?: Waiting["file"]): Waiting {
    const at = Math.max(Date.now(), ...this.items.map((item) => item.at + 1));
    const item: Waiting = { id: clientId(), at, text, ...(file && { file }) };
    this.put(item);
    return item;
  }

  put(item: Waiting): void {
    this.keep.set(KEY + item.id, item);
    this.items = this.items.some((other) => other.id === item.id)
      ? this.items.map((other) => (other.id === item.id ? item : other))
      : [...this.items, item];
    this.changed();
  }

  drop(id: string): void {
    if (!this.items.some((item) => item.id === id)) return;
    this.keep.drop(KEY + id);
    this.items = this.items.filter((item) => item.id !== id);
    this.changed();
  }

  /** Let a failed one try once more; its file is uploaded anew, the old upload may be gone. */
  again(id: string): void {
    const item = this.items.find((other) => other.id === id);
    if (!item) return;
    const { failed: _, file, ...rest } = item;
    this.put(file ? { ...rest, file: { name: file.name, mime: file.mime, size: file.size } } : rest);
  }

  /** Send what waits, oldest first, one after another; one round at a time. False: try later. */
  async flush(send: (item: Waiting) => Promise<Fate>): Promise<boolean> {
    if (this.busy) return true; // that round sees what was added meanwhile
    this.busy = true;
    const skipped = new Set<string>();
    let fate: Fate = "sent";
    for (let item; fate !== "later" && (item = this.next(skipped)); ) {
      fate = await send(item);
      if (fate === "sent") this.drop(item.id);
      else if (fate === "skip") skipped.add(item.id);
      else if (fate !== "later") this.fail(item.id, fate.failed);
    }
    this.busy = false;
    return fate !== "later";
  }

  private next(skipped: Set<string>): Waiting | undefined {
    return this.items.find((item) => item.failed === undefined && !skipped.has(item.id));
  }

  private fail(id: string, failed: number): void {
    const item = this.items.find((other) => other.id === id);
    if (item) this.put({ ...item, failed });
  }
}

/** 128 random bits. `crypto.randomUUID` exists on https pages only. */
export function clientId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
