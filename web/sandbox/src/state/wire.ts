import type { Knobs, VendorName, WireEntry } from "./types";

export type Tone = "ok" | "warn" | "bad" | "";

/** How a call went: answered, answered with a pause or a refusal, or not at all. */
export function tone(outcome: string): Tone {
  if (/^[123]\d\d$/.test(outcome)) return "ok";
  return /^4\d\d$/.test(outcome) || outcome === "cut" ? "warn" : "bad";
}

/** `118 ms`, `1.9 s`: in the user's digits. */
export function took(ms: number, language: string): string {
  const [value, unit, digits] = ms < 1000 ? [ms, "ms", ms < 10 ? 1 : 0] as const : [ms / 1000, "s", 1] as const;
  return `${value.toLocaleString(language, { maximumFractionDigits: digits })} ${unit}`;
}

/** The last call that tells how a vendor does: the gateway's own calls, or the visitors' for the site chat. */
export function lastCall(wire: WireEntry[], vendor: VendorName): WireEntry | undefined {
  const direction = vendor === "webchat" ? "in" : "out";
  for (let at = wire.length - 1; at >= 0; at--) {
    const entry = wire[at]!;
    // getUpdates waits until somebody writes: how long it took says nothing.
    if (entry.channel === vendor && entry.direction === direction && entry.call !== "getUpdates") return entry;
  }
  return undefined;
}

/** Whether what a customer wrote then still waits at a vendor that is down. */
export function waits(knobs: Knobs, at: number): boolean {
  return knobs.mode === "down" && at >= Math.floor(Date.parse(knobs.since) / 1000) * 1000;
}
