import { signal, type Signal } from "@preact/signals";
import type { Address, Contact, Conversation, Quote } from "../../../shared/api";
import { contact, glance } from "../state/conversations";
import type { Tab } from "../state/drafts";
import { place } from "../state/place";

/** What the composer of one conversation holds besides its texts and files. */
export interface Writing {
  tab: Signal<Tab>;
  /** The address that was chosen instead of the route; empty: the route. */
  via: Signal<string>;
  quote: Signal<(Quote & { seq: number }) | null>;
  /** Send was pressed while files were on their way. */
  waits: Record<Tab, Signal<boolean>>;
  /** The newest message when the first letter was typed. */
  begunAt: number;
}

const writings = new Map<string, Writing>();

export function writing(id: string): Writing {
  let found = writings.get(id);
  if (!found) {
    found = { tab: signal<Tab>("reply"), via: signal(""), quote: signal(null), waits: { reply: signal(false), note: signal(false) }, begunAt: 0 };
    writings.set(id, found);
  }
  return found;
}

/** Focuses the text of the open conversation, on a tab. */
export function write(tab?: Tab): void {
  const id = place.peek().conversation;
  if (!id) return;
  if (tab) writing(id).tab.value = tab;
  // At once: the next key is already part of the text.
  document.getElementById("compose")?.focus();
}

/** The customer's addresses, the last used first. */
export function inOrderOfUse(of: Contact | null): Address[] {
  return [...(of?.addresses ?? [])].sort((a, b) => (b.last_inbound_at ?? "").localeCompare(a.last_inbound_at ?? ""));
}

/** Picks an address by its place in the list. */
export function pick(of: Conversation, index: number): void {
  const wanted = inOrderOfUse(contact(of.contact.id).peek())[index];
  if (wanted && !wanted.usable) choose(of.id, wanted.id);
}

/** Replies take this address until the customer writes on another channel. */
export function choose(id: string, address: string): void {
  const { via, tab } = writing(id);
  via.value = glance(id)?.route?.address_id === address ? "" : address;
  tab.value = "reply";
}
