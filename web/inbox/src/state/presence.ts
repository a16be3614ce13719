import { signal } from "@preact/signals";
import type { Person } from "../../../shared/api";

export interface Typist extends Person {
  kind: "customer" | "agent";
}

/** Typing that is not repeated is over after this. */
const TYPING_MS = 6000;

/** Who writes where: by conversation, then by person. */
export const typing = signal<Readonly<Record<string, readonly Typist[]>>>({});
/** Which agents look at which conversation. */
export const viewing = signal<Readonly<Record<string, string[]>>>({});
export const online = signal<ReadonlySet<string>>(new Set());

const timers = new Map<string, ReturnType<typeof setTimeout>>();

export function takeTyping(conversation: string, who: Typist): void {
  const key = `${conversation} ${who.id}`;
  clearTimeout(timers.get(key));
  timers.set(key, setTimeout(() => stopTyping(conversation, who.id), TYPING_MS));
  const there = typing.peek()[conversation] ?? [];
  if (!there.some((one) => one.id === who.id)) typing.value = { ...typing.peek(), [conversation]: [...there, who] };
}

/** Somebody's message is there: they are not typing it any more. */
export function stopTyping(conversation: string, person?: string): void {
  const there = typing.peek()[conversation];
  if (!there) return;
  const left = there.filter((one) => (person ? one.id !== person : one.kind !== "customer"));
  typing.value = { ...typing.peek(), [conversation]: left };
}

export function takePresence(agents: Person[], views: Record<string, string[]>): void {
  online.value = new Set(agents.map((one) => one.id));
  viewing.value = views;
}
