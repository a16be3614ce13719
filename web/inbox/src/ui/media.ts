import { signal, type ReadonlySignal } from "@preact/signals";

function follow(query: string): ReadonlySignal<boolean> {
  const list = matchMedia(query);
  const now = signal(list.matches);
  list.addEventListener("change", () => (now.value = list.matches));
  return now;
}

/** One pane at a time. The numbers are those of the style sheets. */
export const phone = follow("(max-width: 719.98px)");
/** The contact lies over the thread instead of beside it. */
export const narrow = follow("(max-width: 1079.98px)");
export const calm = follow("(prefers-reduced-motion: reduce)");
/** Without a mouse there is nothing to hover, and Enter is a new line. */
export const touch = follow("(pointer: coarse)");
