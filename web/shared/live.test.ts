import { beforeEach, describe, expect, test } from "vitest";
import { Live, pause, type Frame, type LiveState, type Socket } from "./live";

/** A socket whose other end is the test. */
class Wire implements Socket {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  sent: string[] = [];
  closed = false;
  constructor(readonly cursor: string | null) {}
  send(data: string): void {
    this.sent.push(data);
  }
  close(): void {
    this.closed = true;
  }
  say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  end(code: number): void {
    this.onclose?.({ code });
  }
}

let wires: Wire[];
let frames: Frame[];
let states: LiveState[];
let waiting: { run: () => void; ms: number; stopped: boolean }[];

function make(): Live {
  return new Live({
    open: (cursor) => {
      const wire = new Wire(cursor);
      wires.push(wire);
      return wire;
    },
    onFrame: (frame) => frames.push(frame),
    onState: (state) => states.push(state),
    random: () => 1,
    later: (run, ms) => {
      const timer = { run, ms, stopped: false };
      waiting.push(timer);
      return () => (timer.stopped = true);
    },
  });
}

const last = <T>(list: T[]): T => list[list.length - 1]!;
const due = () => waiting.filter((one) => !one.stopped);

beforeEach(() => {
  [wires, frames, states, waiting] = [[], [], [], []];
});

describe("the live feed", () => {
  test("begins without a cursor and resumes after the last frame it saw", () => {
    const live = make();
    live.start();
    expect(wires[0]!.cursor).toBeNull();
    wires[0]!.say({ type: "hello", cursor: "1" });
    wires[0]!.say({ type: "typing", conversation_id: "c", who: { id: "x", name: "X", kind: "customer" } });
    wires[0]!.say({ type: "conversation", cursor: "7", conversation: { id: "c" } });
    wires[0]!.end(1006);
    last(due()).run();
    expect(wires[1]!.cursor).toBe("7");
    expect(frames.map((one) => one.type)).toEqual(["hello", "typing", "conversation"]);
  });

  test("is online only after the greeting", () => {
    const live = make();
    live.start();
    expect(states).toEqual(["connecting"]);
    wires[0]!.say({ type: "hello", cursor: "1" });
    expect(last(states)).toBe("online");
    wires[0]!.end(1001);
    expect(last(states)).toBe("offline");
  });

  test("takes a reset as its new place", () => {
    const live = make();
    live.start();
    wires[0]!.say({ type: "reset", cursor: "90" });
    expect(live.cursor).toBe("90");
    expect(last(states)).toBe("online");
  });

  test("waits longer after each failure, and starts over once it was greeted", () => {
    const live = make();
    live.start();
    const waits: number[] = [];
    for (let n = 0; n < 4; n++) {
      last(wires).end(1006);
      waits.push(last(due()).ms);
      last(due()).run();
    }
    expect(waits).toEqual([500, 1000, 2000, 4000]);
    last(wires).say({ type: "hello", cursor: "1" });
    last(wires).end(1006);
    expect(last(due()).ms).toBe(500);
  });

  test("comes back at once when the network does", () => {
    const live = make();
    live.start();
    wires[0]!.say({ type: "hello", cursor: "1" });
    live.lost();
    expect(wires[0]!.closed).toBe(true);
    expect(last(states)).toBe("offline");
    live.wake();
    expect(wires).toHaveLength(2);
    live.wake();
    expect(wires).toHaveLength(2);
  });

  test("gives a handshake up that nobody answers", () => {
    const live = make();
    live.start();
    last(due()).run();
    expect(wires[0]!.closed).toBe(true);
    last(due()).run();
    expect(wires).toHaveLength(2);
  });

  test("ends with the session, and does not knock again", () => {
    const live = make();
    live.start();
    wires[0]!.say({ type: "hello", cursor: "1" });
    wires[0]!.end(4401);
    expect(last(states)).toBe("ended");
    expect(due()).toHaveLength(0);
    live.start();
    expect(wires[1]!.cursor).toBe("1");
  });

  test("hears nothing from a socket that it has dropped", () => {
    const live = make();
    live.start();
    const [old] = wires as [Wire];
    old.say({ type: "hello", cursor: "1" });
    live.lost();
    old.say({ type: "conversation", cursor: "2", conversation: {} });
    expect(live.cursor).toBe("1");
  });
});

test("a pause grows to 5 s and is spread", () => {
  expect(pause(0, () => 1)).toBe(500);
  expect(pause(20, () => 1)).toBe(5_000);
  expect(pause(20, () => 0)).toBe(2_000);
});
