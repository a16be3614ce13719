import { beforeEach, describe, expect, test } from "vitest";
import { Problem } from "../../shared/api";
import { asEntries, Outbox, type Pending } from "../src/state/outbox";
import { message } from "./make";

let sent: string[];
let answer: (pending: Pending) => Promise<void>;
let timers: (() => void)[];

function make(agent = "anna"): Outbox {
  const outbox = new Outbox({
    storage: localStorage,
    send: async (pending) => {
      await answer(pending);
      sent.push(pending.body.client_id);
    },
    later: (run) => timers.push(run),
  });
  outbox.open(agent);
  return outbox;
}

const pending = (client_id: string, conversation_id = "c"): Pending => ({
  conversation_id,
  body: { text: client_id, kind: "reply", client_id },
  at: "2026-11-22T12:00:00.000Z",
  state: "waiting",
  problem: "",
  channel: "telegram",
  attachments: [],
  quote: null,
});
const ids = (outbox: Outbox) => outbox.entries.value.map((one) => `${one.body.client_id} ${one.state}`);
/** Lets everything that is already decided happen. */
const settle = () => new Promise((resolve) => setTimeout(resolve));

beforeEach(() => {
  localStorage.clear();
  [sent, timers] = [[], []];
  answer = () => Promise.resolve();
});

describe("the outbox", () => {
  test("sends in the order of writing, one at a time in a conversation", async () => {
    let onTheWire = 0;
    let most = 0;
    answer = async () => {
      most = Math.max(most, ++onTheWire);
      await settle();
      onTheWire -= 1;
    };
    const outbox = make();
    for (const id of ["1", "2", "3"]) outbox.add(pending(id));
    while (outbox.entries.value.length) await settle();
    expect(sent).toEqual(["1", "2", "3"]);
    expect(most).toBe(1);
  });

  test("keeps everything while the server is away, and sends it in order when it is back", async () => {
    answer = () => Promise.reject(new Problem(0));
    const outbox = make();
    for (const id of ["1", "2", "3"]) outbox.add(pending(id));
    await settle();
    expect(ids(outbox)).toEqual(["1 waiting", "2 waiting", "3 waiting"]);
    answer = () => Promise.resolve();
    outbox.flush();
    await settle();
    expect(sent).toEqual(["1", "2", "3"]);
  });

  test("tries again by itself after a while", async () => {
    answer = () => Promise.reject(new Problem(503));
    const outbox = make();
    outbox.add(pending("1"));
    await settle();
    answer = () => Promise.resolve();
    timers.forEach((run) => run());
    await settle();
    expect(sent).toEqual(["1"]);
  });

  test("survives a reload, also one in the middle of a request", async () => {
    answer = () => new Promise(() => undefined);
    const before = make();
    for (const id of ["1", "2"]) before.add(pending(id));
    expect(ids(before)).toEqual(["1 sending", "2 waiting"]);
    answer = () => Promise.resolve();
    const after = make();
    await settle();
    expect(sent).toEqual(["1", "2"]);
    expect(after.entries.value).toEqual([]);
    expect(localStorage).toHaveLength(0);
  });

  test("keeps a refused one with its reason, lets the next go, and tries it again on demand", async () => {
    answer = ({ body }) => (body.client_id === "1" ? Promise.reject(new Problem(409, { detail: "Opted out" })) : Promise.resolve());
    const outbox = make();
    for (const id of ["1", "2"]) outbox.add(pending(id));
    await settle();
    expect(ids(outbox)).toEqual(["1 refused"]);
    expect(outbox.entries.value[0]!.problem).toBe("Opted out");
    expect(sent).toEqual(["2"]);
    answer = () => Promise.resolve();
    outbox.retry("1");
    await settle();
    expect(sent).toEqual(["2", "1"]);
  });

  test("waits for the next sign-in when the session is over", async () => {
    answer = () => Promise.reject(new Problem(401));
    const outbox = make();
    outbox.add(pending("1"));
    await settle();
    expect(ids(outbox)).toEqual(["1 waiting"]);
  });

  test("does not let one conversation's trouble hold up another", async () => {
    answer = ({ conversation_id }) => (conversation_id === "c" ? Promise.reject(new Problem(500)) : Promise.resolve());
    const outbox = make();
    outbox.add(pending("1", "c"));
    outbox.add(pending("2", "d"));
    await settle();
    expect(sent).toEqual(["2"]);
    expect(ids(outbox)).toEqual(["1 waiting"]);
  });

  test("never sends one agent's replies in the name of another", async () => {
    answer = () => Promise.reject(new Problem(0));
    make("anna").add(pending("1"));
    await settle();
    answer = () => Promise.resolve();
    const paolo = make("paolo");
    await settle();
    expect(paolo.entries.value).toEqual([]);
    expect(sent).toEqual([]);
  });

  test("can take back what has not left", async () => {
    answer = () => Promise.reject(new Problem(0));
    const outbox = make();
    outbox.add(pending("1"));
    await settle();
    outbox.discard("1");
    expect(localStorage).toHaveLength(0);
  });
});

test("a bubble of mine gives way to the server's copy and is never there twice", () => {
  const author = { id: "a", name: "Anna" };
  const thread = [message({ seq: 4 }), message({ seq: 5, client_id: "1" })];
  expect(asEntries([pending("1"), pending("2")], thread, author)).toMatchObject([{ seq: 6, client_id: "2", status: "queued", author }]);
});
