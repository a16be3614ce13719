import { signal } from "@preact/signals";
import { assignToMe, reopen, resolve } from "./state/actions";
import { glance } from "./state/conversations";
import { go, place } from "./state/place";
import { rows } from "./state/list";
import { phase } from "./state/session";
import { toast, undoLast } from "./state/toasts";
import { pick, write } from "./composer/writing";

/** Whether the list of keys is open. */
export const keysShown = signal(false);

const PANES = ["conversations", "thread", "contact"];

/** Letters work outside the composer and text fields; the rest works everywhere. */
export function followKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || phase.peek() !== "in" || keysShown.peek()) return;
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (everywhere(event) || (plain && !inField(event) && !inComposer(event) && letters(event))) event.preventDefault();
  });
}

function inField(event: Event): boolean {
  const element = event.target as HTMLElement;
  return element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);
}

/** Who goes on typing after a click on a button beside the text means no command. */
function inComposer(event: Event): boolean {
  return !!(event.target as HTMLElement).closest?.(".composer");
}

/** Keys that work while writing, too. `true`: done. */
function everywhere(event: KeyboardEvent): boolean {
  const one = glance(place.peek().conversation);
  if (event.key === "F6") return nextPane(event.shiftKey ? -1 : 1);
  if (event.key === "Escape") return leave(event);
  const digit = /^Digit([1-9])$/.exec(event.code);
  if (event.altKey && digit && one) {
    pick(one, Number(digit[1]) - 1);
    return true;
  }
  return false;
}

function letters(event: KeyboardEvent): boolean {
  const id = place.peek().conversation;
  const one = glance(id);
  const inLog = !!(event.target as HTMLElement).closest?.(".log");
  switch (event.key) {
    case "j":
      return step(1);
    case "k":
      return step(-1);
    case "ArrowDown":
      return !inLog && step(1);
    case "ArrowUp":
      return !inLog && step(-1);
    case "Enter":
      return openThread(event);
    case "/":
      document.getElementById("search")?.focus();
      return true;
    case "?":
      return (keysShown.value = true);
    case "z":
      if (toast.peek()?.undo) undoLast();
      return true;
  }
  // A key held down goes through the list; it does not resolve all of it.
  return one && !event.repeat ? onConversation(event.key, one) : false;
}

function onConversation(key: string, one: { id: string; status: string }): boolean {
  switch (key) {
    case "r":
      write("reply");
      return true;
    case "n":
      write("note");
      return true;
    case "e":
      void (one.status === "resolved" ? reopen : resolve)(one.id);
      return true;
    case "a":
      document.getElementById("assign")?.click();
      return true;
    case "i":
      assignToMe(one.id);
      return true;
    case "]":
      go({ contact: !place.peek().contact });
      return true;
  }
  return false;
}

/** The next conversation opens; the focus stays in the list if it is there. */
function step(by: 1 | -1): boolean {
  const shown = rows.peek();
  const at = shown.indexOf(place.peek().conversation);
  const next = at < 0 ? shown[by > 0 ? 0 : shown.length - 1] : shown[at + by];
  if (!next) return true;
  go({ conversation: next, contact: false }, true);
  requestAnimationFrame(() => {
    const row = document.querySelector<HTMLElement>(`a[data-conversation="${next}"]`);
    row?.scrollIntoView({ block: "nearest" });
    if (document.activeElement?.closest("#conversations") || document.activeElement === document.body) row?.focus();
  });
  return true;
}

/** Enter on a row opens it as a link does; on the open one it goes to the messages. */
function openThread(event: KeyboardEvent): boolean {
  const row = (event.target as HTMLElement).closest?.<HTMLElement>("a[data-conversation]");
  const here = place.peek().conversation;
  if (!here || (row && row.dataset.conversation !== here)) return false;
  if (!row && event.target !== document.body) return false;
  document.querySelector<HTMLElement>(".log")?.focus();
  return true;
}

/** Layers first (they stop the event themselves), then the field, then back to the list. */
function leave(event: KeyboardEvent): boolean {
  const here = place.peek();
  if (inField(event)) {
    const pane = (event.target as HTMLElement).closest<HTMLElement>(".pane");
    (pane?.querySelector<HTMLElement>(".log") ?? pane)?.focus();
    return true;
  }
  if (here.contact) go({ contact: false });
  else if (here.conversation) {
    const row = document.querySelector<HTMLElement>(`a[data-conversation="${here.conversation}"]`);
    if (row && document.activeElement !== row && row.offsetParent) row.focus();
    else go({ conversation: "" });
  }
  return true;
}

function nextPane(by: number): boolean {
  const panes = PANES.map((id) => document.getElementById(id)).filter((one) => !!one?.offsetParent);
  const at = panes.findIndex((one) => one!.contains(document.activeElement));
  panes[(at + by + panes.length) % panes.length]?.focus();
  return true;
}
