import { useEffect, useRef } from "preact/hooks";
import { date } from "../../../shared/format";
import { t } from "../../../shared/i18n";
import { Avatar, Icon } from "../../../shared/icons";
import { contact as contactOf, conversation } from "../state/conversations";
import { go, place } from "../state/place";
import { narrow, phone } from "../ui/media";
import { nameOf } from "../ui/name";
import { Skeletons } from "../ui/pane-state";
import { AddressView } from "./address";
import { Name } from "./name";

/** Who the customer is and where they can be reached. On narrow pages it lies over the thread. */
export function ContactPane({ id }: { id: string }) {
  const pane = useRef<HTMLElement>(null);
  const one = conversation(id);
  const open = place.value.contact;
  const shown = !narrow.value || open;

  // Opened by the agent, it takes the focus; that is where Esc closes it.
  useEffect(() => {
    if (narrow.peek() && open) pane.current?.focus();
  }, [open]);

  if (!one || !shown) return null;
  const contact = contactOf(one.contact.id).value;
  const name = nameOf(one.contact, one.channel);
  // On a phone it is all there is.
  const [Pane, Heading] = phone.value ? (["main", "h2"] as const) : (["aside", "h3"] as const);
  return (
    <Pane class="pane contact" id="contact" ref={pane} aria-label={t("contact.label")} tabIndex={-1}>
      {narrow.value && (
        <button type="button" class="icon-button contact-close" aria-label={t("contact.close")} onClick={() => go({ contact: false })}>
          <Icon name="x" size={18} />
        </button>
      )}
      <div class="contact-head">
        <Avatar id={one.contact.id} name={name} size={48} />
        <div class="contact-who">
          <Name id={one.contact.id} name={one.contact.name} shown={name} key={one.contact.id} />
          {/* A blank keeps the line's place until the date is known. */}
          <small>{contact ? t("contact.since", { date: date(contact.created_at) }) : "\u00a0"}</small>
        </div>
      </div>
      <section class="contact-part">
        <Heading>{t("contact.addresses")}</Heading>
        {!contact && <Skeletons kind="row" count={2} />}
        <ul>
          {contact?.addresses.map((address) => (
            <AddressView address={address} inUse={one.route?.address_id === address.id} key={address.id} />
          ))}
        </ul>
      </section>
    </Pane>
  );
}
