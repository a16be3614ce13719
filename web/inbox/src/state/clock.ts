import { signal } from "@preact/signals";

const MINUTE_MS = 60_000;

/** The time, a minute at a time, for what says how long ago. */
export const minute = signal(Date.now());
setInterval(() => (minute.value = Date.now()), MINUTE_MS);

const SOON_MS = 2000;

/** The time, two seconds at a time, for the few replies that wait: who does not look is not redrawn. */
export const soon = signal(Date.now(), {
  watched() {
    this.value = Date.now();
    ticking = setInterval(() => (this.value = Date.now()), SOON_MS);
  },
  unwatched() {
    clearInterval(ticking);
  },
});
let ticking: ReturnType<typeof setInterval> | undefined;
