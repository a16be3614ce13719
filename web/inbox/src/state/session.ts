import { computed, signal } from "@preact/signals";
import { api, onSignedOut, Problem, type Agent } from "../../../shared/api";

/** `ended`: the page is there, but the session is over; a dialog asks to sign in again. */
export type Phase = "loading" | "out" | "in" | "ended" | "unreachable";

const AGENT = "bridge.agent";

export const phase = signal<Phase>("loading");
export const me = signal<Agent | null>(null);
export const myId = computed(() => me.value?.id ?? "");

onSignedOut.handler = () => {
  if (phase.value === "in") phase.value = "ended";
};

/** Finds out who is signed in. */
export async function whoAmI(): Promise<void> {
  try {
    welcome(await api.me());
  } catch (problem) {
    phase.value = problem instanceof Problem && problem.status === 401 ? "out" : "unreachable";
  }
}

/** An agent has signed in. After a session ended, another agent must not go on in the first one's page. */
export function welcome(agent: Agent): void {
  if (me.value && me.value.id !== agent.id) return location.reload();
  me.value = agent;
  phase.value = "in";
  try {
    localStorage.setItem(AGENT, agent.id);
  } catch {
    // A full or closed storage: other tabs see it when their session ends.
  }
}

// All tabs share the session: when another agent signs in, what is open here must not go on under that name.
addEventListener("storage", (event) => {
  if (event.key === AGENT && me.value && event.newValue !== me.value.id) location.reload();
});

/** Saves a choice of the profile; it shows at once and goes back if the server refuses it. */
export async function saveMe(change: Partial<Pick<Agent, "language" | "theme">>): Promise<void> {
  const before = me.value;
  if (!before) return;
  me.value = { ...before, ...change };
  try {
    me.value = await api.saveMe(change);
  } catch (problem) {
    me.value = before;
    throw problem;
  }
}
