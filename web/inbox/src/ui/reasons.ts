import { t, type TextKey } from "../../../shared/i18n";
import { en } from "../../../shared/text.en";
import { channelName } from "../state/conversations";

/** The server's word for why something cannot go, as a sentence; a vendor's own words stay as they are. */
export function explain(reason: string, channel: string | null): string {
  const key = `route.${reason}`;
  return key in en ? t(key as TextKey, { channel: channelName(channel) }) : reason;
}
