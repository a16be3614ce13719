import { signal, type Signal } from "@preact/signals";
import { api, Problem } from "../../../shared/api";
import { myId } from "./session";

export type Tab = "reply" | "note";

/** What is kept on this device; `synced` says that the server has this very text. */
interface Kept {
  text: string;
  synced: boolean;
}

const SAVE_MS = 300;
const texts = new Map<string, Signal<string>>();
const timers = new Map<string, ReturnType<typeof setTimeout>>();
/** When a text was changed here, or known to be on the server, by `performance.now()`. */
const changed = new Map<string, number>();

const name = (id: string, tab: Tab) => `bridge.draft.${myId.peek()}.${id}.${tab}`;

/** The draft of a conversation and tab, as a signal. */
export function draft(id: string, tab: Tab): Signal<string> {
  const key = name(id, tab);
  let found = texts.get(key);
  if (!found) texts.set(key, (found = signal(kept(key)?.text ?? "")));
  return found;
}

function kept(key: string): Kept | null {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null") as Kept | null;
  } catch {
    return null;
  }
}

function keep(key: string, draft: Kept): void {
  try {
    if (!draft.text && draft.synced) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(draft));
  } catch {
    // A full or closed storage: the server has the draft all the same.
  }
}

/** Keeps a text on this device at once and on the server shortly after the last key. */
export function saveDraft(id: string, tab: Tab, text: string): void {
  const key = name(id, tab);
  draft(id, tab).value = text;
  changed.set(key, performance.now());
  keep(key, { text, synced: false });
  clearTimeout(timers.get(key));
  timers.set(key, setTimeout(() => void push(id, tab), SAVE_MS));
}

async function push(id: string, tab: Tab): Promise<void> {
  const key = name(id, tab);
  const text = draft(id, tab).peek();
  try {
    await api.saveDraft(id, tab, text);
  } catch (problem) {
    // Refused for good (the conversation is gone, the text too long): it stays here, nobody is asked again.
    if (problem instanceof Problem && problem.passing) return;
  }
  changed.set(key, performance.now());
  if (draft(id, tab).peek() === text) keep(key, { text, synced: true });
}

/** What the server kept when it was asked: it may come from another device, so it wins over what was in step
    before. What was written here since then is newer. */
export function takeServerDrafts(id: string, drafts: { reply?: string; note?: string }, asked: number): void {
  for (const tab of ["reply", "note"] as const) {
    const key = name(id, tab);
    const local = kept(key);
    if ((local && !local.synced) || (changed.get(key) ?? 0) > asked) continue;
    const text = drafts[tab] ?? "";
    draft(id, tab).value = text;
    keep(key, { text, synced: true });
  }
}

// Another tab of this agent wrote on, or sent what stands here.
addEventListener("storage", (event) => {
  const shown = event.key && texts.get(event.key);
  if (shown) shown.value = kept(event.key!)?.text ?? "";
});

/** Sends what the server has not got: after a reload or an outage. */
export function pushDrafts(): void {
  const start = `bridge.draft.${myId.peek()}.`;
  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith(start) || kept(key)?.synced !== false) continue;
    const [id = "", tab] = key.slice(start.length).split(".");
    if (tab === "reply" || tab === "note") void push(id, tab);
  }
}
