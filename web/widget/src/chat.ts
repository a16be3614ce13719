/** One visitor's chat: what the page shows, and what it does when the visitor acts. */

import { Api, Refused } from "./api";
import type { Config } from "./config";
import { keepIn, type Keep } from "./keep";
import { backoff, Live } from "./live";
import { Outbox, type Fate, type Waiting } from "./outbox";
import { Thread } from "./thread";
import type { Message, Page, Session } from "./types";
import { Uploads } from "./uploads";

const TYPING_SHOWN = 6000;
const TYPING_TOLD = 3000;
const LATE = 5000;

export class Chat {
  readonly outbox: Outbox;
  readonly uploads: Uploads;
  thread = new Thread();
  session: Session | undefined;
  open = false;
  online = false;
  /** Not online for longer than a moment. */
  late = false;
  draft: string;
  /** Who of the team is writing; undefined for nobody. */
  typing: string | undefined;
  /** A line above the composer: what went wrong, and what happens next. */
  notice = "";

  private readonly keep: Keep;
  private readonly api: Api;
  private readonly live: Live;
  private readonly listeners = new Set<() => void>();
  private renewing: Promise<void> | undefined;
  /** Up to which `seq` this connection was told: once is enough. */
  private told = { ack: 0, seen: 0 };
  private typingTimer: ReturnType<typeof setTimeout> | undefined;
  private lateTimer: ReturnType<typeof setTimeout> | undefined;
  private flushTimer: ReturnType<typeof setTimeout> | undefined;
  private typedAt = 0;
  private failures = 0;
  /** The last try to reach the gateway was in vain. */
  private failed = false;
  /** Nothing leaves before this time: the gateway asked for a pause. */
  private held = 0;

  constructor(readonly config: Config) {
    const space = "bridge." + new URL(config.base).host + ".";
    this.keep = keepIn(space);
    this.api = new Api(config.base);
    this.outbox = new Outbox(this.keep, () => this.changed());
    this.uploads = new Uploads(space, this.outbox.items, () => this.changed());
    this.draft = this.keep.get<string>("draft") ?? "";
    this.live = this.feed();
    this.adopt(this.keep.get<Session>("session"));
    this.listenToPage();
    this.connect();
  }

  private feed(): Live {
    return new Live({
      socket: () => this.api.url("socket").replace(/^http/, "ws"),
      token: () => this.api.token,
      ready: () => this.ready(),
      poll: () => this.poll(),
      page: (page) => this.take(page),
      typing: (name) => this.showTyping(name),
      online: (yes) => this.setOnline(yes),
      expired: () => this.expire(),
      pause: () => (this.open ? 4000 : 30_000),
    });
  }

  /** `unload` is not reliable, phones freeze pages, caches bring them back: the page's own words count. */
  private listenToPage(): void {
    this.keep.watch((key) => this.otherTab(key));
    addEventListener("online", () => this.connect());
    addEventListener("offline", () => (this.live.cut(), this.changed()));
    addEventListener("pagehide", () => this.live.stop());
    addEventListener("pageshow", (event) => event.persisted && this.connect());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState !== "visible") return;
      this.connect();
      this.settle();
    });
  }

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  get unread(): number {
    return this.thread.unread.length;
  }

  /** What the bar says about the connection. */
  get trouble(): "" | "offline" | "connecting" {
    if (this.online) return "";
    return this.failed && !navigator.onLine ? "offline" : this.late ? "connecting" : "";
  }

  show(open: boolean): void {
    this.open = open;
    if (open) this.connect();
    this.settle();
    this.changed();
  }

  type(text: string): void {
    this.draft = text;
    this.keep.set("draft", text);
    if (text && Date.now() - this.typedAt > TYPING_TOLD && this.live.tell({ type: "typing" })) this.typedAt = Date.now();
    this.changed();
  }

  send(): void {
    const text = this.draft.trim();
    if (!text) return;
    this.outbox.add(text);
    this.typedAt = 0;
    this.type("");
    this.leave();
  }

  attach(files: Iterable<File>): void {
    const limit = this.session?.limits.file_size ?? Infinity;
    this.notice = "";
    for (const file of files) {
      if (file.size > limit) this.notice = this.config.words.tooBig(bytes(limit, this.config.lang));
      else {
        const item = this.outbox.add("", { name: file.name, mime: file.type, size: file.size });
        this.uploads.add(item.id, file);
      }
    }
    this.leave();
    this.changed();
  }

  again(id: string): void {
    this.outbox.again(id);
    this.leave();
  }

  /** Take a message back, or let it go because the gateway has it. */
  remove(id: string): void {
    this.outbox.drop(id);
    this.uploads.release(id);
  }

  /** Fetch what came before; where nobody answers, the button is still there. */
  earlier(): void {
    const before = this.thread.messages[0]?.seq;
    this.api.call<Page>("messages?before=" + before).then((page) => this.take(page), () => {});
  }

  // ── The connection ──

  /** Connect where there is a reason to: an open panel, a conversation, something to send. */
  private connect(): void {
    if (!this.open && !this.keep.get("talked") && !this.outbox.items.length) return;
    this.live.start();
    this.countLate();
    void this.flush();
  }

  /** Whoever is not back in a moment is late, and the bar says so. */
  private countLate(): void {
    clearTimeout(this.lateTimer);
    this.lateTimer = setTimeout(() => ((this.late = !this.online), this.changed()), LATE);
  }

  private async poll(): Promise<Page> {
    try {
      return await this.api.call<Page>("messages?limit=20");
    } catch (error) {
      if (error instanceof Refused && error.status === 401) this.expire();
      throw error;
    }
  }

  private setOnline(yes: boolean): void {
    if (yes === this.failed) {
      this.failed = !yes;
      this.changed();
    }
    if (yes === this.online) return;
    this.online = yes;
    this.late = false;
    if (yes) {
      this.settle();
      void this.flush();
    } else {
      this.told = { ack: 0, seen: 0 };
      this.countLate();
    }
    this.changed();
  }

  private ready(): Promise<void> {
    if (this.api.token) return Promise.resolve();
    return (this.renewing ??= this.renew().finally(() => (this.renewing = undefined)));
  }

  private async renew(): Promise<void> {
    const had = this.session;
    const got = await this.api.call<Session>("session", { token: had?.token });
    const kept = this.keep.get<Session>("session");
    // Another tab may have been quicker: the site has one visitor.
    if (kept && kept.token !== had?.token) return this.adopt(kept);
    this.keep.set("session", got);
    this.adopt(got);
  }

  private expire(): void {
    this.api.token = "";
  }

  private adopt(session: Session | undefined): void {
    if (!session) return;
    if (this.session && this.session.visitor_id !== session.visitor_id) {
      this.thread = new Thread();
      this.told = { ack: 0, seen: 0 };
    }
    this.session = session;
    this.api.token = session.token;
    this.changed();
  }

  private otherTab(key: string): void {
    if (key === "draft") this.draft = this.keep.get<string>("draft") ?? "";
    else if (key === "session") {
      const session = this.keep.get<Session>("session");
      if (session && session.token !== this.session?.token) {
        this.adopt(session);
        this.live.cut();
      }
    } else if (key.startsWith("out.")) {
      this.outbox.refresh(key);
      // Its own tab sends it at once. Should that tab be gone, somebody must.
      this.retry(6000);
    }
    this.changed();
  }

  // ── What comes in ──

  private take(page: Page): void {
    const fresh = this.thread.apply(page);
    for (const message of page.items) if (message.mine && message.client_id) this.remove(message.client_id);
    if (page.items.length) this.keep.set("talked", 1);
    if (fresh.some((message) => !message.mine)) this.stopTyping();
    this.settle();
    this.changed();
  }

  /** Tell the gateway what arrived and what was looked at, until its own states say that it knows. */
  private settle(): void {
    if (this.open && document.visibilityState === "visible")
      for (const message of this.thread.unread) this.thread.seen.add(message.id);
    const theirs = this.thread.messages.filter((message) => !message.mine);
    this.say("seen", theirs.filter((message) => message.status !== "read" && this.thread.seen.has(message.id)));
    this.say("ack", theirs.filter((message) => message.status === "sent"));
  }

  private say(type: "seen" | "ack", about: Message[]): void {
    const seq = about.at(-1)?.seq ?? 0;
    if (!this.online || seq <= this.told[type]) return;
    this.told = { ...this.told, [type]: seq };
    if (!this.live.tell({ type, seq })) void this.api.call(type, { seq }).catch(() => {});
  }

  private showTyping(name: string): void {
    this.stopTyping();
    this.typing = name;
    this.typingTimer = setTimeout(() => (this.stopTyping(), this.changed()), TYPING_SHOWN);
    this.changed();
  }

  private stopTyping(): void {
    clearTimeout(this.typingTimer);
    this.typing = undefined;
  }

  // ── What goes out ──

  private leave(): void {
    this.keep.set("talked", 1);
    this.failures = 0;
    this.connect();
  }

  private async flush(): Promise<void> {
    clearTimeout(this.flushTimer);
    if (!this.outbox.items.length) return;
    if (await this.outbox.flush((item) => this.deliver(item))) this.failures = 0;
    else this.retry(backoff(this.failures++));
  }

  /** Look into the outbox again after a while; the sooner of two wishes counts. */
  private retry(ms: number): void {
    clearTimeout(this.flushTimer);
    this.flushTimer = setTimeout(() => void this.flush(), Math.max(ms, this.held - Date.now()));
  }

  private async deliver(item: Waiting): Promise<Fate> {
    if (this.held > Date.now() || !(navigator.onLine || this.online)) return "later";
    try {
      await this.ready();
      const file = item.file && (item.file.id ?? (await this.upload(item)));
      if (item.file && !file) return "skip";
      const page = location.origin + location.pathname;
      this.thread.put(
        await this.api.call<Message>("messages", {
          client_id: item.id, text: item.text, attachments: file ? [file] : [], page,
        }),
      );
      this.notice = "";
      this.uploads.release(item.id);
      return "sent";
    } catch (error) {
      return this.judge(item, error);
    }
  }

  private judge(item: Waiting, error: unknown): Fate {
    if (!this.outbox.items.some((other) => other.id === item.id)) return "skip"; // taken back meanwhile
    if (!(error instanceof Refused)) return "later";
    if (error.status === 401) this.expire();
    if (!error.passing) return { failed: error.status };
    if (error.retryAfter) this.held = Date.now() + error.retryAfter * 1000;
    if (error.status === 429) this.notice = this.config.words.slow;
    return "later";
  }

  /** The id of the message's file at the gateway, kept so that it is uploaded once. */
  private async upload(item: Waiting): Promise<string | undefined> {
    const id = await this.uploads.send(this.api, item);
    if (id) this.outbox.put({ ...item, file: { ...item.file!, id } });
    return id;
  }

  private changed(): void {
    for (const listener of this.listeners) listener();
  }
}

/** A size as people say it: "1.5 MB", "1,5 MB". */
export function bytes(size: number, lang: string): string {
  const [value, unit] = size < 1e6 ? [Math.max(1, size / 1e3), "kB"] : [size / 1e6, "MB"];
  return `${value.toLocaleString(lang, { maximumFractionDigits: value < 10 ? 1 : 0 })} ${unit}`;
}
