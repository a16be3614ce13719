import { computed, signal, type Signal } from "@preact/signals";
import type { Channel, Colleague, Contact, Conversation, Counts } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import { overtaken, toldByFeed } from "./freshness";
import { me } from "./session";

/** Everything this page knows, by id. A signal each, so that a change redraws one row only. */
const known = new Map<string, Signal<Conversation>>();
const contacts = new Map<string, Signal<Contact | null>>();
/** Counts up with every change of any conversation. */
export const changes = signal(0);

export const channels = signal<Channel[] | null>(null);
/** The name that customers see; the product's own until it is known. */
export const business = signal("Bridge");
export const agents = signal<Colleague[]>([]);
export const counts = signal<Counts | null>(null);

/** A conversation, followed; one that is not known yet is waited for. */
export function conversation(id: string): Conversation | undefined {
  const found = known.get(id);
  if (!found) void changes.value;
  return found?.value;
}

/** The same without following it. */
export function glance(id: string): Conversation | undefined {
  return known.get(id)?.peek();
}

export function allKnown(): Conversation[] {
  return Array.from(known.values(), (one) => one.peek());
}

/** Takes a conversation in, unless what is known is newer. `since` is when the request was made;
    without it the feed told. */
export function takeConversation(next: Conversation, since?: number): boolean {
  if (since === undefined) toldByFeed(next.id);
  else if (known.has(next.id) && overtaken(next.id, since)) return false;
  const before = known.get(next.id);
  if (before) before.value = next;
  else known.set(next.id, signal(next));
  changes.value += 1;
  return true;
}

/** Forgets all but these: the feed could not say what happened meanwhile. */
export function keepOnly(ids: Set<string>): void {
  for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
  changes.value += 1;
}

export function contact(id: string): Signal<Contact | null> {
  let found = contacts.get(id);
  if (!found) contacts.set(id, (found = signal(null)));
  return found;
}

/** Takes a contact in, unless what is known is newer; the feed tells of many that nobody has looked at. */
export function takeContact(next: Contact, since?: number): void {
  if (since === undefined) {
    if (!contacts.has(next.id)) return;
    toldByFeed(next.id);
  } else if (overtaken(next.id, since)) return;
  contact(next.id).value = next;
}

/** Takes the channels in, which are told all together, unless what is known is newer. */
export function takeChannels(next: Channel[], since?: number): void {
  if (since === undefined) toldByFeed("channels");
  else if (overtaken("channels", since)) return;
  channels.value = next;
}

/** Unread messages in open conversations that are mine or nobody's. */
export const unreadTotal = computed(() => {
  void changes.value;
  const mine = me.value?.id;
  return allKnown()
    .filter((one) => one.status === "open" && (!one.assignee || one.assignee.id === mine))
    .reduce((sum, one) => sum + one.unread, 0);
});

/** The name of a channel: its own label, except where this language has a word for it. */
export function channelName(type: string | null): string {
  if (type === "webchat") return t("channel.webchat");
  return channels.value?.find((one) => one.type === type)?.label ?? type ?? "";
}

/** How counts change when a conversation goes from one state to another. */
export function recount(of: Counts, before: Conversation, after: Conversation, mine: string): Counts {
  const next = { ...of };
  for (const [one, step] of [[before, -1], [after, 1]] as const) {
    if (one.status === "resolved") next.resolved += step;
    if (one.status !== "open") continue;
    next.all += step;
    if (!one.assignee) next.unassigned += step;
    else if (one.assignee.id === mine) next.mine += step;
  }
  return next;
}
