import { t, type TextKey } from "../../../shared/i18n";
import { en } from "../../../shared/text.en";
import { channelName } from "../state/conversations";

/** Sentences of the gateway itself, which the page can say in the agent's language. */
const SENTENCES: [RegExp, TextKey][] = [
  [/^(\w+) (?:cannot be reached|gave no answer)/, "why.unreachable"],
  [/^(\w+) is not (?:working|available)/, "why.broken"],
  [/^(\w+) (?:does not take messages now|asks for a pause)/, "why.pause"],
  [/^waits for the reply before it$/, "why.behind"],
  [/^(\w+) takes no file of this size/, "why.file"],
  [/^interrupted$/, "why.interrupted"],
];

/** The server's word for why something cannot go, as a sentence; a vendor's own words stay as they are. */
export function explain(reason: string, channel: string | null): string {
  const key = `route.${reason}`;
  if (key in en) return t(key as TextKey, { channel: channelName(channel) });
  for (const [pattern, sentence] of SENTENCES) {
    const found = pattern.exec(reason);
    if (found) return t(sentence, { vendor: found[1] ?? "" });
  }
  return reason;
}
