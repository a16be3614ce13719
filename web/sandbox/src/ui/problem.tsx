import { signal } from "@preact/signals";
import { s } from "../text";

const problem = signal("");
let timer = 0;

/** Says for a while that something did not work. */
export function tell(error: unknown): void {
  let why = error instanceof Error ? error.message : String(error);
  try {
    const body = JSON.parse(why) as { detail?: string; title?: string };
    why = body.detail ?? body.title ?? why;
  } catch {
    // words already
  }
  problem.value = s("failed", { why });
  clearTimeout(timer);
  timer = window.setTimeout(() => (problem.value = ""), 6_000);
}

export function ProblemBar() {
  return (
    <div role="alert" class={problem.value ? "problem" : "sr"}>
      {problem.value}
    </div>
  );
}
