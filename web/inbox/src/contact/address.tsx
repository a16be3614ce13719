import type { Address } from "../../../shared/api";
import { date, phone, when } from "../../../shared/format";
import { t, type TextKey } from "../../../shared/i18n";
import { ChannelBadge, Icon } from "../../../shared/icons";
import { en } from "../../../shared/text.en";
import { channelName } from "../state/conversations";
import { copy } from "../ui/clipboard";
import { explain } from "../ui/reasons";

/** An address: where, whether it is theirs, what they agreed to, and whether it can be used. */
export function AddressView({ address, inUse }: { address: Address; inUse: boolean }) {
  const name = channelName(address.channel);
  const value = phone(address.handle) || name;
  return (
    <li class="address">
      <ChannelBadge type={address.channel} label={name} size={22} />
      <div class="address-words">
        <b>
          <span class="sr">{name}: </span>
          <span class="ellipsis number">{value}</span>
          {address.verified && (
            <span class="tone-ok" title={t("contact.verified")}>
              <Icon name="shield-check" size={14} />
              <span class="sr">{t("contact.verified")}</span>
            </span>
          )}
        </b>
        <small>{consent(address)}</small>
        {address.usable && address.usable !== "no_consent" ? (
          <small class="tone-bad">{explain(address.usable, address.channel)}</small>
        ) : (
          address.last_inbound_at && <small>{t("contact.seen", { date: when(address.last_inbound_at) })}</small>
        )}
      </div>
      <span class="address-side">
        {inUse && <span class="chip accent">{t("contact.inuse")}</span>}
        {address.handle && (
          <button type="button" class="icon-button small" aria-label={`${t("thread.copy")}: ${value}`} title={t("thread.copy")} onClick={() => void copy(address.handle)}>
            <Icon name="copy" size={14} />
          </button>
        )}
      </span>
    </li>
  );
}

function consent(address: Address): string {
  if (!address.consent_at) return explain("no_consent", address.channel);
  const key = `contact.consent.${address.consent_source}`;
  return t(key in en ? (key as TextKey) : "contact.consent.other", { date: date(address.consent_at) });
}
