import { signal } from "@preact/signals";
import { Problem } from "../../../shared/api";
import { t } from "../../../shared/i18n";

export interface Toast {
  id: number;
  text: string;
  tone: "plain" | "bad";
  undo?: () => void;
}

const SHOWN_MS = 8000;
export const toast = signal<Toast | null>(null);
let timer: ReturnType<typeof setTimeout> | undefined;
let count = 0;

/** One at a time: the newest says what just happened. */
export function say(text: string, undo?: () => void): void {
  show({ id: ++count, text, tone: "plain", ...(undo && { undo }) });
}

/** An action did not work: its reason, in a sentence. */
export function complain(problem: unknown): void {
  const known = problem instanceof Problem && problem.status > 0;
  const reason = known ? problem.message : t("err.unreachable");
  if (problem instanceof Problem && problem.status === 401) return;
  show({ id: ++count, text: t("err.action", { reason }), tone: "bad" });
}

function show(next: Toast): void {
  toast.value = next;
  clearTimeout(timer);
  timer = setTimeout(() => (toast.value = null), SHOWN_MS);
}

export function closeToast(): void {
  clearTimeout(timer);
  toast.value = null;
}

/** Takes back what the toast says, once. */
export function undoLast(): void {
  const undo = toast.peek()?.undo;
  closeToast();
  undo?.();
}
