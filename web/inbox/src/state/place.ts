import { computed, signal } from "@preact/signals";

export type View = "mine" | "unassigned" | "all";

/** Where the agent is: all of it is in the address, so that back, forward and reload work. */
export interface Place {
  view: View;
  status: "open" | "resolved";
  channel: string;
  assignee: string;
  q: string;
  conversation: string;
  /** On a narrow page the contact takes the place of the thread. */
  contact: boolean;
  /** The token of a one-time link for the first administrator. */
  setup: string;
}

const START: Place = { view: "all", status: "open", channel: "", assignee: "", q: "", conversation: "", contact: false, setup: "" };

/** Reads `#/all/open/c/<id>/contact?channel=sms`. Anything else is the start. */
export function parse(hash: string): Place {
  const [path = "", search = ""] = hash.replace(/^#/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decode);
  const values = new URLSearchParams(search);
  if (parts[0] === "setup") return { ...START, setup: parts[1] ?? "" };
  const at = parts.indexOf("c");
  return {
    ...START,
    view: parts[0] === "mine" || parts[0] === "unassigned" ? parts[0] : "all",
    status: parts[1] === "resolved" ? "resolved" : "open",
    channel: values.get("channel") ?? "",
    assignee: values.get("assignee") ?? "",
    q: values.get("q") ?? "",
    conversation: at > 0 ? (parts[at + 1] ?? "") : "",
    contact: at > 0 && parts[at + 2] === "contact",
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

/** The address of a place. */
export function address(place: Place): string {
  const values = new URLSearchParams();
  if (place.channel) values.set("channel", place.channel);
  if (place.assignee && place.view === "all") values.set("assignee", place.assignee);
  if (place.q) values.set("q", place.q);
  const search = values.toString();
  const conversation = place.conversation ? `/c/${encodeURIComponent(place.conversation)}${place.contact ? "/contact" : ""}` : "";
  return `#/${place.view}/${place.status}${conversation}${search ? `?${search}` : ""}`;
}

export const place = signal<Place>(parse(location.hash));
addEventListener("hashchange", () => (place.value = parse(location.hash)));
// A link of ours leads there before anything else happens. The browser's event comes some time after the
// click, and whoever types meanwhile would write to the customer of the thread before.
addEventListener("click", (event) => {
  const link = (event.target as Element).closest<HTMLAnchorElement>('a[href^="#/"]');
  const elsewhere = event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (!link || elsewhere || event.defaultPrevented) return;
  event.preventDefault();
  travel(link.getAttribute("href") ?? "");
});

/** What decides about the list, without the conversation that is open. */
export const listKey = computed(() => address({ ...place.value, conversation: "", contact: false }));

/** Goes to a place that differs from this one as said; `replace` leaves no step to come back to. */
export function go(change: Partial<Place>, replace = false): void {
  const next = address({ ...place.value, ...change, setup: "" });
  if (next !== location.hash) travel(next, replace);
}

function travel(next: string, replace = false): void {
  if (next !== location.hash) history[replace ? "replaceState" : "pushState"](null, "", next);
  place.value = parse(next);
}

/** The address of a link to a place that differs from this one. */
export function hrefTo(change: Partial<Place>): string {
  return address({ ...place.value, ...change, setup: "" });
}
