import type { Channel } from "../../../shared/api";

/** What the banner says of the channels: only the worst of it, for one banner is enough. */
export type Outage =
  | { is: "needs" | "recovering"; channels: [Channel] }
  | { is: "down"; channels: Channel[] };

/** What is wrong now. A channel that a person must mend goes before one that only has to be waited for. */
export function outageOf(all: Channel[]): Outage | null {
  const needs = all.find((one) => one.state === "setup" && one.detail);
  if (needs) return { is: "needs", channels: [needs] };
  const within = all.filter((one) => one.incident && one.state !== "setup");
  const down = within.filter((one) => one.state !== "recovering");
  if (down.length) return { is: "down", channels: down };
  return within[0] ? { is: "recovering", channels: [within[0]] } : null;
}

/** Names a change that an agent may have seen and hidden. */
export function signature(outage: Outage): string {
  return [outage.is, ...outage.channels.map((one) => `${one.id} ${one.incident?.id ?? one.detail}`)].join(" | ");
}

/** The channels that were in an incident and are well now. */
export function ended(before: Channel[], now: Channel[]): Channel[] {
  const was = new Set(before.filter((one) => one.incident).map((one) => one.id));
  return now.filter((one) => was.has(one.id) && !one.incident && one.state === "up");
}
