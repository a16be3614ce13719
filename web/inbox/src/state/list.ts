import { batch, computed, signal } from "@preact/signals";
import { api, type Conversation } from "../../../shared/api";
import { matches, newestFirst, queryOf } from "../logic/query";
import { allKnown, counts, glance, keepOnly, recount, takeConversation } from "./conversations";
import { now } from "./freshness";
import { listKey, place } from "./place";
import { myId } from "./session";

type Loading = "loading" | "ready" | "error";

/** The conversations on the page, in order. */
export const rows = signal<string[]>([]);
/** What would move if the pointer were not over the list. */
export const held = signal<ReadonlySet<string>>(new Set());
export const state = signal<Loading>("loading");
export const more = signal<Loading>("ready");
const next = signal<string | null>(null);
export const hasMore = computed(() => next.value !== null);

let pointerOver = false;
/** The last row that was loaded: what is older belongs to the next page. */
let floor: Conversation | null = null;
let found: string[] = [];

const PAGE = 50;

/** Loads the list of the current place; what is known of it already shows at once. */
export async function loadList(): Promise<void> {
  const key = listKey.peek();
  const since = now();
  batch(() => {
    floor = null;
    found = [];
    next.value = null;
    settle();
    state.value = rows.peek().length && !place.peek().q ? "ready" : "loading";
  });
  try {
    const page = await api.conversations({ ...queryOf(place.peek()), limit: PAGE });
    if (key !== listKey.peek()) return;
    batch(() => {
      counts.value = page.counts;
      take(page.items, page.next_cursor, since);
      state.value = "ready";
    });
  } catch {
    if (key === listKey.peek() && !rows.peek().length) state.value = "error";
  }
}

/** Loads the next page, when the end of the list comes near. */
export async function loadMore(): Promise<void> {
  const cursor = next.peek();
  if (!cursor || more.peek() === "loading") return;
  const key = listKey.peek();
  const since = now();
  more.value = "loading";
  try {
    const page = await api.conversations({ ...queryOf(place.peek()), cursor, limit: PAGE });
    if (key === listKey.peek()) batch(() => take(page.items, page.next_cursor, since));
    more.value = "ready";
  } catch {
    more.value = "error";
  }
}

/** Starts over after the feed lost its place; `open` is the conversation that stays known. */
export async function reloadList(): Promise<void> {
  const since = now();
  const page = await api.conversations({ ...queryOf(place.peek()), limit: PAGE });
  batch(() => {
    counts.value = page.counts;
    keepOnly(new Set([...page.items.map((one) => one.id), place.peek().conversation]));
    found = [];
    take(page.items, page.next_cursor, since);
    state.value = "ready";
  });
}

/** Fills the store with the newest open conversations, so that views open at once and the title counts right. */
export async function warmUp(): Promise<void> {
  const since = now();
  const page = await api.conversations({ status: "open", limit: 100 });
  batch(() => {
    counts.value = page.counts;
    for (const one of page.items) takeConversation(one, since);
    if (state.peek() === "ready") settle();
  });
}

function take(items: Conversation[], cursor: string | null, since: number): void {
  for (const one of items) takeConversation(one, since);
  found = [...found, ...items.map((one) => one.id).filter((id) => !found.includes(id))];
  next.value = cursor;
  floor = cursor ? (items[items.length - 1] ?? floor) : null;
  settle();
}

/** Puts every row where it belongs. */
export function settle(): void {
  rows.value = order();
  if (held.peek().size) held.value = new Set();
}

function order(): string[] {
  const here = place.peek();
  if (here.q) return found;
  const above = (one: Conversation) => !floor || newestFirst(one, floor) <= 0;
  return allKnown()
    .filter((one) => matches(one, here, myId.peek()) && above(one))
    .sort(newestFirst)
    .map((one) => one.id);
}

/** The pointer came or left: rows do not move under it. */
export function hold(over: boolean): void {
  pointerOver = over;
  if (!over && held.peek().size) settle();
}

let countsTimer: ReturnType<typeof setTimeout> | undefined;

/** A conversation changed. `mine` says that I did it: then the list follows at once. */
export function changeConversation(after: Conversation, mine = false, since?: number): void {
  const before = glance(after.id);
  batch(() => {
    if (!takeConversation(after, since)) return;
    if (counts.peek() && before) counts.value = recount(counts.peek()!, before, after, myId.peek());
    else askCounts();
    if (place.peek().q) return;
    if (!pointerOver || mine) return settle();
    const shown = rows.peek();
    const at = order().indexOf(after.id);
    if (at >= 0 && shown[at] !== after.id) held.value = new Set([...held.peek(), after.id]);
  });
}

/** Asks the server for the counts, once for a burst of changes that this page cannot count by itself. */
function askCounts(): void {
  clearTimeout(countsTimer);
  countsTimer = setTimeout(() => {
    api.conversations({ status: "open", limit: 1 }).then(
      (page) => (counts.value = page.counts),
      () => undefined,
    );
  }, 150);
}
