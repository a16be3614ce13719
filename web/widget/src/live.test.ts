import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { backoff, Live, type Source } from "./live";
import type { Page } from "./types";

/** The browser's WebSocket, with its other end in the test's hand. */
class Line {
  static made: Line[] = [];
  readyState = 0;
  sent: { type: string }[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  constructor(readonly url: string) {
    Line.made.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.readyState = 2;
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  end(code = 1006): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

const newest: Page = { items: [], more: false, read: 0 };
const last = (): Line => Line.made.at(-1)!;

function start() {
  const seen = { pages: 0, online: [] as boolean[], expired: 0, polls: 0, up: true };
  const source: Source = {
    socket: () => "ws://gateway/widget/socket",
    token: () => "token",
    ready: async () => {},
    poll: async () => {
      seen.polls++;
      if (!seen.up) throw new TypeError("fetch");
      return newest;
    },
    page: () => seen.pages++,
    typing: () => {},
    online: (yes) => seen.online.at(-1) !== yes && seen.online.push(yes),
    expired: () => seen.expired++,
    pause: () => 4000,
  };
  const live = new Live(source);
  live.start();
  return { live, seen };
}

beforeEach(() => {
  Line.made = [];
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", Line);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

/** The token is shown in the first frame, never in an address that logs would keep. */
test("a socket says hello with the token first", async () => {
  const { seen } = start();
  await settled();
  last().open();
  expect(last().url).not.toContain("token");
  expect(last().sent).toEqual([{ type: "hello", token: "token" }]);
  last().say({ type: "messages", ...newest });
  expect(seen).toMatchObject({ pages: 1, online: [true] });
});

/** A restart of the gateway is a pause of a second or two, and then everything is there again. */
test("a socket that was cut comes back by itself", async () => {
  const { seen } = start();
  await settled();
  last().open();
  last().say({ type: "messages", ...newest });
  last().end(1001);
  await settled();
  expect(seen.online).toEqual([true, false]);
  await vi.advanceTimersByTimeAsync(2000);
  expect(Line.made.length).toBe(2);
  last().open();
  last().say({ type: "messages", ...newest });
  expect(seen.online).toEqual([true, false, true]);
});

/** Some proxies let no WebSocket through; the chat must work behind them. */
test("where no socket can be had, the page asks every few seconds", async () => {
  const { seen } = start();
  await settled();
  last().end();
  await vi.advanceTimersByTimeAsync(1000);
  last().end();
  await settled();
  const made = Line.made.length;
  await vi.advanceTimersByTimeAsync(12_000);
  expect(seen.polls).toBeGreaterThanOrEqual(4);
  expect(Line.made.length).toBe(made);
  expect(seen.online).toEqual([true]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(Line.made.length).toBe(made + 1); // and now and then it tries a socket again
});

/** A gateway that is away must not be mistaken for a proxy: the socket is tried every time. */
test("a gateway that is away is tried with growing pauses", async () => {
  const { seen } = start();
  seen.up = false;
  for (let round = 0; round < 4; round++) {
    await vi.advanceTimersByTimeAsync(30_000);
    if (last().readyState === 0) last().end();
    await settled();
  }
  expect(Line.made.length).toBeGreaterThanOrEqual(4);
  expect(seen.online).toEqual([false]);
});

/** Secrets change: the page asks for a new token instead of knocking for ever. */
test("a refused token is given up", async () => {
  const { seen } = start();
  await settled();
  last().open();
  last().end(4401);
  await settled();
  expect(seen.expired).toBe(1);
});

/** A phone that slept has a socket that looks alive: only an answer counts. */
test("a socket that does not answer is replaced", async () => {
  const { live } = start();
  await settled();
  last().open();
  last().say({ type: "messages", ...newest });
  await vi.advanceTimersByTimeAsync(1000);
  live.start();
  expect(last().sent.at(-1)).toEqual({ type: "ping" });
  await vi.advanceTimersByTimeAsync(8000 + 2000);
  expect(Line.made.length).toBe(2);
});

/** Browsers freeze hidden pages: a page that left holds no socket, and one that returns has one. */
test("a page that leaves closes its socket, and one that returns opens one", async () => {
  const { live } = start();
  await settled();
  last().open();
  last().say({ type: "messages", ...newest });
  live.stop();
  expect(last().readyState).toBe(2);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(Line.made.length).toBe(1);
  live.start();
  await settled();
  expect(Line.made.length).toBe(2);
});

/** Returning at once, before the old loop has ended, must not leave two loops or none. */
test("leaving and returning at once makes one socket", async () => {
  const { live } = start();
  await settled();
  last().open();
  last().say({ type: "messages", ...newest });
  live.stop();
  live.start();
  await vi.advanceTimersByTimeAsync(3000);
  expect(Line.made.length).toBe(2);
});

/** Thousands of pages lose their socket at the same moment: they must not come back at the same moment. */
test("pauses are spread over one to thirty seconds", () => {
  expect(backoff(0, () => 0)).toBe(1000);
  expect(backoff(0, () => 1)).toBe(2000);
  expect(backoff(20, () => 0)).toBe(1000);
  expect(backoff(20, () => 1)).toBe(30_000);
});

/** Without any network, as on a train, the gateway may be on this very machine: a demo, a test. */
test("a browser that never saw a network is not believed", async () => {
  vi.stubGlobal("navigator", { onLine: false });
  const { seen } = start();
  await settled();
  last().open();
  last().say({ type: "messages", ...newest });
  expect(seen.online).toEqual([true]);
});

/** What the browser says is mostly right: trying all the time would empty a phone's battery. */
test("a browser that lost its network is believed for a while", async () => {
  vi.stubGlobal("navigator", { onLine: true });
  const { live, seen } = start();
  await settled();
  last().open();
  last().say({ type: "messages", ...newest });
  vi.stubGlobal("navigator", { onLine: false });
  live.cut();
  await settled();
  expect(Line.made.length).toBe(1);
  expect(seen.online).toEqual([true, false]);
  await vi.advanceTimersByTimeAsync(45_000);
  expect(Line.made.length).toBeGreaterThan(1);
});

test("a browser that lost its network behind a proxy without sockets is not online", async () => {
  vi.stubGlobal("navigator", { onLine: true });
  const { live, seen } = start();
  await settled();
  last().end();
  await vi.advanceTimersByTimeAsync(1000);
  last().end();
  await settled();
  expect(seen.online).toEqual([true]);
  vi.stubGlobal("navigator", { onLine: false });
  live.cut();
  await settled();
  expect(seen.online).toEqual([true, false]);
});
