import { t, type TextKey } from "../../../shared/i18n";
import { en } from "../../../shared/text.en";
import { channelName } from "../state/conversations";

/** Sentences of the gateway and of vendors that the page can say in the agent's language. */
const SENTENCES: [RegExp, TextKey][] = [
  [/^(\w+) (?:cannot be reached|gave no answer)/, "why.unreachable"],
  [/^(\w+) (?:is not (?:working|available)|has a fault of its own)/, "why.broken"],
  [/^(\w+) (?:asks for a pause|does not take messages now)/, "why.pause"],
  [/^Too many messages wait at (\w+)/, "why.pause"],
  [/^waits for the reply before it$/, "why.behind"],
  [/^(\w+) takes no file of this size/, "why.file"],
  [/^interrupted$/, "why.interrupted"],
  [/^overtaken by a later reply$/, "why.overtaken"],
  [/^The text is longer/, "why.long"],
  [/^This is not a (?:valid|mobile) number|^The number is (?:not known|a landline)/, "fail.number"],
  [/^The phone is off/, "fail.phone"],
  [/^The (?:number or its operator blocks|operator filtered)/, "fail.content"],
  [/^The operator reports a fault/, "fail.operator"],
  [/^The customer has opted out/, "route.opted_out"],
  [/bot was blocked by the user/, "route.blocked"],
  [/user is deactivated|chat not found/, "route.invalid"],
];

function find(reason: string): { key: TextKey; vendor: string } | null {
  if (`route.${reason}` in en) return { key: `route.${reason}` as TextKey, vendor: "" };
  for (const [pattern, key] of SENTENCES) {
    const found = pattern.exec(reason);
    if (found) return { key, vendor: found[1] ?? "" };
  }
  return null;
}

/** The server's word for why something cannot go, as a sentence; what nobody foresaw stays as it is. */
export function explain(reason: string, channel: string | null): string {
  const found = find(reason);
  return found ? t(found.key, { channel: channelName(channel), vendor: found.vendor }) : reason;
}

/** The same as the end of another sentence: "Not sent: blocked the bot". */
export function because(reason: string, channel: string | null): string {
  const text = explain(reason, channel);
  return find(reason)?.key.startsWith("route.") ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}
