import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { draft, saveDraft, takeServerDrafts } from "../src/state/drafts";

let asked = 0;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", async () => new Response(null, { status: 204 }));
  asked = performance.now();
  vi.advanceTimersByTime(1);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  localStorage.clear();
});

/** A slow answer would bring back what was sent meanwhile, and it could go twice. */
test("an answer from before the last key changes nothing", async () => {
  saveDraft("1", "reply", "Certo");
  await vi.advanceTimersByTimeAsync(1000); // the server has it
  takeServerDrafts("1", { reply: "Cert" }, asked);
  expect(draft("1", "reply").value).toBe("Certo");
  takeServerDrafts("1", { reply: "Certo, da un altro telefono" }, performance.now());
  expect(draft("1", "reply").value).toBe("Certo, da un altro telefono");
});

test("what another tab of the agent wrote is here, too", () => {
  saveDraft("2", "reply", "Certo");
  const key = Object.keys(localStorage).find((name) => name.includes(".2."))!;
  localStorage.removeItem(key); // it was sent there
  dispatchEvent(new StorageEvent("storage", { key }));
  expect(draft("2", "reply").value).toBe("");
});
