/** The feed from the gateway: a WebSocket, or asking every few seconds where none can be had. */

import type { Page } from "./types";

export interface Source {
  /** Address of the socket. */
  socket(): string;
  token(): string;
  /** The newest of the thread by a plain request; throws when nobody answers. */
  poll(): Promise<Page>;
  page(page: Page): void;
  typing(name: string): void;
  /** Whether what the visitor sees is up to date. */
  online(yes: boolean): void;
  /** Have a token; throws when none can be had now. */
  ready(): Promise<void>;
  /** The token is not good any more. */
  expired(): void;
  /** How long to wait between questions, ms. */
  pause(): number;
}

const QUIET = 25_000;
const SOCKET_EVERY = 60_000;
const DOUBT = 10_000;

/** Milliseconds before try number `n` (from 0): 1 to 30 s, any of them equally likely ("full jitter"). */
export function backoff(n: number, random = Math.random): number {
  return 1000 + random() * (Math.min(30_000, 2000 * 2 ** n) - 1000);
}

export class Live {
  private running = false;
  private looping = false;
  private ws: WebSocket | undefined;
  private hangUp = () => {};
  private wake = () => {};
  private failures = 0;
  /** Sockets in a row that failed although requests went through: something on the way forbids them. */
  private blocked = 0;
  private socketAt = 0;
  private doubtAt = 0;
  /** The browser has seen a network. One that never has is not believed unheard: the gateway may be on this
      very machine. */
  private knows = false;
  /** When the socket last said something; 0 before its first word. */
  private heard = 0;

  constructor(private readonly source: Source) {}

  /** Begin, or stop waiting and try at once. A socket that looks alive is asked whether it is. */
  start(): void {
    this.running = true;
    if (!this.looping) void this.run();
    else if (this.ws) this.ping();
    else this.wake();
  }

  stop(): void {
    this.running = false;
    this.cut();
  }

  /** Give this connection up; another is made at once, or after a pause where that fails. */
  cut(): void {
    this.hangUp();
    this.wake();
  }

  /** Say something by the socket. False when there is none: a request must do. */
  tell(frame: object): boolean {
    if (this.ws?.readyState !== 1 || !this.heard) return false;
    this.ws.send(JSON.stringify(frame));
    return true;
  }

  private async run(): Promise<void> {
    this.looping = true;
    while (this.running) {
      const pause = await this.round();
      if (this.running) await this.sleep(pause);
    }
    this.looping = false;
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }

  /** One socket's life, or one question; returns how long to wait before the next, ms. */
  private async round(): Promise<number> {
    if (navigator.onLine) {
      this.knows = true;
      this.doubtAt = 0;
    } else if (this.knows || this.failures) {
      // The browser says that there is no network. It is mostly right: try rarely.
      this.doubtAt ||= Date.now() + DOUBT;
      const left = this.doubtAt - Date.now();
      if (left > 0) {
        this.source.online(false);
        return left;
      }
      this.doubtAt = 0;
    }
    try {
      await this.source.ready();
      if (this.blocked < 2 || Date.now() - this.socketAt > SOCKET_EVERY) {
        this.socketAt = Date.now();
        if (await this.socket()) {
          this.failures = this.blocked = 0;
          this.source.online(false);
          return backoff(0);
        }
        if (!this.running) return 0;
      }
      this.source.page(await this.source.poll());
    } catch {
      this.source.online(false);
      return backoff(this.failures++);
    }
    this.failures = 0;
    this.blocked++;
    this.source.online(true);
    return this.blocked < 2 ? 1000 : this.source.pause();
  }

  /** Resolves when the socket is gone: true if it ever worked. */
  private socket(): Promise<boolean> {
    return new Promise((done) => {
      const ws = (this.ws = new WebSocket(this.source.socket()));
      this.heard = 0;
      const opening = setTimeout(() => this.heard || this.hangUp(), 10_000);
      const watching = setInterval(() => this.ping(), QUIET);
      const end = (): void => {
        clearTimeout(opening);
        clearInterval(watching);
        ws.onmessage = ws.onclose = null;
        if (this.ws === ws) this.ws = undefined;
        done(this.heard > 0);
      };
      // A closing handshake with nobody takes long: who hangs up does not wait for it.
      this.hangUp = () => {
        ws.close();
        end();
      };
      ws.onopen = () => ws.send(JSON.stringify({ type: "hello", token: this.source.token() }));
      ws.onmessage = (event) => this.hear(JSON.parse(event.data));
      ws.onclose = (event) => {
        if (event.code === 4401) this.source.expired();
        end();
      };
    });
  }

  private hear(frame: { type: string; name: string } & Page): void {
    this.heard = Date.now();
    if (frame.type === "messages") {
      this.source.page(frame);
      this.source.online(true);
    } else if (frame.type === "typing") this.source.typing(frame.name);
  }

  /** A phone that slept, a cable that was pulled: only an answer shows that somebody is there. */
  private ping(): void {
    const { ws, hangUp } = this;
    const asked = Date.now();
    if (!this.tell({ type: "ping" })) return;
    setTimeout(() => {
      if (ws === this.ws && this.heard < asked) hangUp();
    }, 8000);
  }
}
