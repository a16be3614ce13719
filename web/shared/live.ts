import type { Activity, Channel, Contact, Conversation, Message, Person } from "./api";

/** What the server tells a page; durable frames carry the cursor that resumes after them. */
export type Frame =
  | { type: "hello" | "reset"; cursor: string }
  | { type: "message"; cursor: string; message: Message; conversation: Conversation }
  | { type: "conversation"; cursor: string; conversation: Conversation }
  | { type: "activity"; cursor: string; activity: Activity; conversation: Conversation }
  | { type: "contact"; cursor: string; contact: Contact }
  | { type: "channels"; cursor: string; channels: Channel[] }
  | { type: "typing"; conversation_id: string; who: Person & { kind: "customer" | "agent" } }
  | { type: "presence"; agents: Person[]; viewing: Record<string, string[]> };

export type LiveState = "connecting" | "online" | "offline" | "ended";

/** The part of WebSocket that is used, so that a test can stand in for the network. */
export interface Socket {
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(data: string): void;
  close(): void;
}

export interface LiveOptions {
  open: (cursor: string | null) => Socket;
  onFrame: (frame: Frame) => void;
  onState: (state: LiveState) => void;
  later?: (run: () => void, ms: number) => () => void;
  random?: () => number;
}

/** A browser cannot see why a handshake was refused; so the server takes it, and ends it with this. */
const SESSION_ENDED = 4401;
const FIRST_MS = 500;
const LONGEST_MS = 5_000;
/** A handshake that takes longer than this is given up: a dead network does not say so. */
const HANDSHAKE_MS = 10_000;

/** How long to wait before attempt `n` (from 0): doubling, with jitter, so that pages do not return all at once. */
export function pause(n: number, random: () => number): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** n) * (0.4 + 0.6 * random());
}

function laterByTimer(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}

/** The live feed: reconnects by itself and resumes after the last frame it saw, so nothing is missed. */
export class Live {
  cursor: string | null = null;
  state: LiveState = "offline";
  private socket: Socket | null = null;
  private attempt = 0;
  private stopWaiting: () => void = () => undefined;
  private stopped = true;

  constructor(private readonly options: LiveOptions) {}

  start(): void {
    this.stopped = false;
    this.attempt = 0;
    if (!this.socket) this.connect();
  }

  /** Ends the connection; the cursor is kept, so that `start` goes on where this stopped. */
  stop(state: "offline" | "ended" = "offline"): void {
    this.stopped = true;
    this.stopWaiting();
    this.drop();
    this.set(state);
  }

  /** The network is there again, or the page is looked at: no need to wait any longer. */
  wake(): void {
    if (this.stopped || this.socket) return;
    this.attempt = 0;
    this.connect();
  }

  /** The network went away: the socket would take minutes to notice. */
  lost(): void {
    if (this.stopped) return;
    this.drop();
    this.retry();
  }

  send(frame: object): void {
    if (this.state === "online") this.socket?.send(JSON.stringify(frame));
  }

  private connect(): void {
    this.stopWaiting();
    const socket = this.options.open(this.cursor);
    this.socket = socket;
    this.set("connecting");
    this.stopWaiting = this.later(() => this.lost(), HANDSHAKE_MS);
    socket.onmessage = (event) => this.receive(JSON.parse(String(event.data)) as Frame);
    socket.onclose = (event) => {
      if (this.socket === socket) this.closed(event.code);
    };
  }

  private receive(frame: Frame): void {
    this.options.onFrame(frame);
    if ("cursor" in frame) this.cursor = frame.cursor;
    if (frame.type === "hello" || frame.type === "reset") {
      this.stopWaiting();
      this.attempt = 0;
      this.set("online");
    }
  }

  private closed(code: number): void {
    this.drop();
    if (code === SESSION_ENDED) this.stop("ended");
    else this.retry();
  }

  private retry(): void {
    this.set("offline");
    const wait = pause(this.attempt++, this.options.random ?? Math.random);
    this.stopWaiting();
    this.stopWaiting = this.later(() => this.connect(), wait);
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private later(run: () => void, ms: number): () => void {
    return (this.options.later ?? laterByTimer)(run, ms);
  }

  private set(state: LiveState): void {
    if (this.state === state) return;
    this.state = state;
    this.options.onState(state);
  }
}

/** The page's own socket to `/api/live`. */
export function openLive(cursor: string | null): Socket {
  const url = new URL("/api/live", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (cursor) url.searchParams.set("cursor", cursor);
  return new WebSocket(url) as Socket;
}
