import { batch } from "@preact/signals";
import { api, type Message, type Person } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import { glance } from "./conversations";
import { now } from "./freshness";
import { changeConversation, rows } from "./list";
import { go, place } from "./place";
import { me } from "./session";
import { takeMessage } from "./threads";
import { complain, say } from "./toasts";

type Change = { status?: "open" | "resolved"; assignee?: Person | null };

/** Shows a change at once, tells the server, and takes it back when that fails. */
async function change(id: string, to: Change): Promise<boolean> {
  const before = glance(id);
  if (!before) return false;
  const since = now();
  changeConversation({ ...before, ...to }, true, since);
  try {
    const after = await api.change(id, {
      ...(to.status && { status: to.status }),
      ...("assignee" in to && { assignee_id: to.assignee?.id ?? null }),
    });
    changeConversation(after, true, since);
    return true;
  } catch (problem) {
    changeConversation(before, true, since);
    complain(problem);
    return false;
  }
}

/** Resolves and goes on to the next conversation of the list; Undo brings both back. If the server refuses, the
    row comes back and a toast says so: by then the agent may be writing to the next customer. */
export function resolve(id: string): void {
  const here = place.peek();
  const next = here.conversation === id ? neighbour(id) : here.conversation;
  void change(id, { status: "resolved" });
  if (here.conversation === id) {
    go({ conversation: isPhone() ? "" : next, contact: false }, true);
    keepFocus(next);
  }
  say(t("toast.resolved"), () => void takeBack(id, here.conversation === id));
}

/** What had the focus went with the conversation: the next one's row takes it over. */
function keepFocus(next: string): void {
  requestAnimationFrame(() => {
    if (document.activeElement !== document.body) return;
    document.querySelector<HTMLElement>(`a[data-conversation="${next}"]`)?.focus();
  });
}

async function takeBack(id: string, open: boolean): Promise<void> {
  if (open) go({ conversation: id }, true);
  await change(id, { status: "open" });
}

export async function reopen(id: string): Promise<void> {
  if (await change(id, { status: "open" })) say(t("toast.reopened"), () => void change(id, { status: "resolved" }));
}

export async function assign(id: string, to: Person | null): Promise<void> {
  const before = glance(id)?.assignee ?? null;
  if (before?.id === to?.id) return;
  if (await change(id, { assignee: to })) {
    say(to ? t("toast.assigned", { name: to.name }) : t("toast.unassigned"), () => void change(id, { assignee: before }));
  }
}

export function assignToMe(id: string): void {
  const agent = me.peek();
  if (agent) void assign(id, { id: agent.id, name: agent.name });
}

/** The conversation after this one in the list, else the one before. */
export function neighbour(id: string, step = 1): string {
  const shown = rows.peek();
  const at = shown.indexOf(id);
  return shown[at + step] ?? (at > 0 ? shown[at - 1] : "") ?? "";
}

export function isPhone(): boolean {
  return matchMedia("(max-width: 719.98px)").matches;
}

/** An action on a message whose answer is the message. */
export async function act(request: () => Promise<Message>): Promise<void> {
  const since = now();
  try {
    const message = await request();
    batch(() => takeMessage(message, since));
  } catch (problem) {
    complain(problem);
  }
}
