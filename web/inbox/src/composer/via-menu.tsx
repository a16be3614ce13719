import { useEffect, useRef, useState } from "preact/hooks";
import type { Address, Conversation } from "../../../shared/api";
import { phone } from "../../../shared/format";
import { t } from "../../../shared/i18n";
import { ChannelBadge, Icon } from "../../../shared/icons";
import { channelName, channels, contact } from "../state/conversations";
import { Choice, Menu } from "../ui/menu";
import { explain } from "../ui/reasons";
import type { Target } from "./target";
import { choose, inOrderOfUse, writing } from "./writing";

/** Where the reply goes; the menu has the customer's other addresses, and why one cannot be used. */
export function ViaMenu({ of, target }: { of: Conversation; target: Target }) {
  const flash = useMoved(of);
  const addresses = inOrderOfUse(contact(of.contact.id).value);
  if (!target.address && !of.route) return null;
  const type = target.address?.channel ?? of.route?.channel ?? "";
  const handle = channels.value && target.channel?.limits.segments ? target.handle : "";
  return (
    <Menu
      label={t("compose.via.menu")}
      side="up"
      edge="end"
      button={(attributes) => (
        <button {...attributes} class={flash ? "via flash" : "via"} aria-label={t("compose.via", { channel: [target.name, phone(target.handle)].filter(Boolean).join(" ") })}>
          <ChannelBadge type={type} label={target.name} size={18} />
          <span>{target.name}</span>
          {handle && <small>{phone(handle)}</small>}
          <Icon name="chevron-down" size={14} />
        </button>
      )}
    >
      {(close) =>
        addresses.map((one, index) => (
          <Choice key={one.id} checked={one.id === target.address?.id} disabled={!!one.usable} onChoose={() => (close(), choose(of.id, one.id))}>
            <AddressWords address={one} index={index} />
          </Choice>
        ))
      }
    </Menu>
  );
}

function AddressWords({ address, index }: { address: Address; index: number }) {
  const name = channelName(address.channel);
  const state = channels.value?.find((one) => one.id === address.channel_id)?.state ?? "up";
  const about = address.usable ? explain(address.usable, address.channel) : state === "up" ? "" : t(`health.${state}`);
  return (
    <>
      <ChannelBadge type={address.channel} label={name} size={20} />
      <span class="two-lines">
        <span>
          {name} {address.handle && <small>{phone(address.handle)}</small>}
        </span>
        {about && <small class={address.usable ? "" : "tone-warn"}>{about}</small>}
      </span>
      {!address.usable && index < 9 && <kbd>Alt {index + 1}</kbd>}
    </>
  );
}

/** The customer wrote on another channel: a choice made before is over, and the chip flashes once. */
function useMoved(of: Conversation): boolean {
  const route = of.route?.address_id;
  const before = useRef(route);
  const [flash, setFlash] = useState(false);
  useEffect(() => {
    if (before.current === route) return;
    before.current = route;
    writing(of.id).via.value = "";
    setFlash(true);
    const timer = setTimeout(() => setFlash(false), 1200);
    return () => clearTimeout(timer);
  }, [route]);
  return flash;
}
