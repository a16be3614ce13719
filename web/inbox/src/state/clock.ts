import { signal } from "@preact/signals";

const MINUTE_MS = 60_000;

/** The time, a minute at a time, for what says how long ago. */
export const minute = signal(Date.now());
setInterval(() => (minute.value = Date.now()), MINUTE_MS);
