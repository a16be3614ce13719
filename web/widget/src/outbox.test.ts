import { beforeEach, expect, test } from "vitest";
import { keepIn } from "./keep";
import { clientId, Outbox, type Fate, type Waiting } from "./outbox";

beforeEach(() => localStorage.clear());

const open = (): Outbox => new Outbox(keepIn("t."), () => {});

/** A gateway that answers as told, and notes what it was asked. */
function gateway(...fates: Fate[]) {
  const asked: string[] = [];
  return {
    asked,
    send: async (item: Waiting): Promise<Fate> => {
      asked.push(item.text);
      return fates.shift() ?? "sent";
    },
  };
}

/** A customer's sentences make sense in one order only. */
test("messages leave in the order in which they were written", async () => {
  const outbox = open();
  for (const text of ["one", "two", "three"]) outbox.add(text);
  const { asked, send } = gateway();
  expect(await outbox.flush(send)).toBe(true);
  expect(asked).toEqual(["one", "two", "three"]);
  expect(outbox.items).toEqual([]);
});

/** Nothing overtakes a message that could not leave. */
test("the rest waits behind a message that must wait", async () => {
  const outbox = open();
  outbox.add("one");
  outbox.add("two");
  const { asked, send } = gateway("later");
  expect(await outbox.flush(send)).toBe(false);
  expect(asked).toEqual(["one"]);
  expect(outbox.items.map((item) => item.text)).toEqual(["one", "two"]);
});

/** The page may be closed at any moment: what waits is there afterwards, under the same ids. */
test("what waits survives a reload", () => {
  const before = open();
  before.add("one");
  before.add("two");
  expect(open().items).toEqual(before.items);
});

/** The clock of a phone is set back now and then; the order must not follow it. */
test("order holds when the clock goes back", () => {
  const outbox = open();
  const first = outbox.add("one");
  outbox.put({ ...first, at: Date.now() + 60_000 });
  outbox.add("two");
  expect(open().items.map((item) => item.text)).toEqual(["one", "two"]);
});

/** A refused message keeps its text, holds up nobody, and leaves when the visitor tries again. */
test("a refused message stays and can be tried again", async () => {
  const outbox = open();
  const bad = outbox.add("bad");
  outbox.add("good");
  const first = gateway({ failed: 422 });
  expect(await outbox.flush(first.send)).toBe(true);
  expect(first.asked).toEqual(["bad", "good"]);
  expect(outbox.items).toEqual([{ ...bad, failed: 422 }]);
  outbox.again(bad.id);
  const second = gateway();
  await outbox.flush(second.send);
  expect(second.asked).toEqual(["bad"]);
  expect(outbox.items).toEqual([]);
});

/** A failed upload may be gone on the server, so it is made again. */
test("trying again uploads the file anew", () => {
  const outbox = open();
  const item = outbox.add("", { name: "a.png", mime: "image/png", size: 3 });
  outbox.put({ ...item, file: { ...item.file!, id: "old" }, failed: 422 });
  outbox.again(item.id);
  expect(outbox.items[0]).toEqual(item);
});

/** Enter pressed while a round runs must neither start a second one nor be forgotten. */
test("a message added meanwhile leaves in the same round, once", async () => {
  const outbox = open();
  outbox.add("one");
  const asked: string[] = [];
  const send = async (item: Waiting): Promise<Fate> => {
    asked.push(item.text);
    if (item.text === "one") {
      outbox.add("two");
      await outbox.flush(send);
    }
    return "sent";
  };
  await outbox.flush(send);
  expect(asked).toEqual(["one", "two"]);
});

/** Taken back while it was on its way: it must not come back as a failed one. */
test("a message taken back stays away", async () => {
  const outbox = open();
  const item = outbox.add("oops");
  await outbox.flush(async () => {
    outbox.drop(item.id);
    return { failed: 413 };
  });
  expect(open().items).toEqual([]);
});

/** Two tabs write at the same time; neither may lose the other's message. */
test("tabs do not overwrite each other", () => {
  const [one, two] = [open(), open()];
  one.add("from one");
  two.add("from two");
  one.refresh("out.x");
  expect(one.items.map((item) => item.text).sort()).toEqual(["from one", "from two"]);
});

/** The id is all that keeps a repeated message from being two. */
test("client ids are unique and fit the gateway's pattern", () => {
  const ids = Array.from({ length: 1000 }, clientId);
  expect(new Set(ids).size).toBe(1000);
  for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
});
