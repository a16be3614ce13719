import type { Address, Channel, Conversation } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import { channelName, channels, contact } from "../state/conversations";
import { because } from "../ui/reasons";
import { writing } from "./writing";

/** Where the next reply goes, and what that channel can carry. */
export interface Target {
  address: Address | null;
  channel: Channel | null;
  name: string;
  handle: string;
  /** Why nothing can be sent, or empty. */
  blocked: string;
}

export function targetOf(of: Conversation): Target {
  const wanted = writing(of.id).via.value || of.route?.address_id;
  const address = contact(of.contact.id).value?.addresses.find((one) => one.id === wanted) ?? null;
  const type = address?.channel ?? of.route?.channel ?? null;
  const id = address?.channel_id ?? of.route?.channel_id;
  const channel = channels.value?.find((one) => one.id === id) ?? null;
  const name = channelName(type);
  const reason = address ? address.usable : (of.route?.blocked ?? "");
  return {
    address,
    channel,
    name,
    handle: address?.handle ?? of.route?.handle ?? "",
    blocked: !type ? t("compose.none") : reason ? t("compose.blocked", { channel: name, reason: because(reason, type) }) : "",
  };
}
