import type { Conversation } from "../../../shared/api";
import type { Place } from "../state/place";

/** Whether a conversation belongs in the list that a place shows. A search is the server's to answer. */
export function matches(of: Conversation, place: Place, me: string): boolean {
  if (of.status !== place.status) return false;
  if (place.channel && of.channel !== place.channel) return false;
  if (place.view === "mine") return of.assignee?.id === me;
  if (place.view === "unassigned") return !of.assignee;
  return !place.assignee || of.assignee?.id === place.assignee;
}

/** Newest first; the id decides between equals, as on the server. */
export function newestFirst(a: Conversation, b: Conversation): number {
  if (a.last_message_at !== b.last_message_at) return a.last_message_at < b.last_message_at ? 1 : -1;
  return a.id < b.id ? 1 : a.id > b.id ? -1 : 0;
}

/** What the API is asked for a place. */
export function queryOf(place: Place): { status?: string; channel?: string; assignee?: string; q?: string } {
  if (place.q) return { q: place.q };
  const assignee = place.view === "mine" ? "me" : place.view === "unassigned" ? "none" : place.assignee;
  return { status: place.status, channel: place.channel, assignee };
}
