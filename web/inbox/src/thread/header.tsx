import type { Conversation } from "../../../shared/api";
import { phone as phoneNumber } from "../../../shared/format";
import { t } from "../../../shared/i18n";
import { Avatar, ChannelBadge, Icon } from "../../../shared/icons";
import { reopen, resolve } from "../state/actions";
import { agents, channelName, unreadTotal } from "../state/conversations";
import { go, hrefTo, place } from "../state/place";
import { viewing } from "../state/presence";
import { myId } from "../state/session";
import { narrow, phone } from "../ui/media";
import { nameOf } from "../ui/name";
import { AssignMenu } from "./assign-menu";

/** Who this is, where they write, whose it is, and the way out. */
export function Header({ of }: { of: Conversation }) {
  const name = nameOf(of.contact, of.channel);
  const channel = of.route?.channel ?? of.channel;
  // A phone has no room for more than the channel: the rest is in the contact.
  const handle = phone.value ? "" : phoneNumber(of.route?.handle ?? "");
  // Where there is one pane, its title is the page's.
  const Title = phone.value ? "h1" : "h2";
  return (
    <header class="pane-head thread-head">
      {phone.value && <Back unread={unreadTotal.value - of.unread} />}
      <Avatar id={of.contact.id} name={name} size={phone.value ? 34 : 32} />
      <div class="thread-who">
        <Title class="ellipsis">{name}</Title>
        {channel && (
          <p>
            <ChannelBadge type={channel} label={channelName(channel)} size={14} />
            <span class="ellipsis">{[channelName(channel), handle !== name && handle].filter(Boolean).join(" · ")}</span>
          </p>
        )}
      </div>
      <span class="grow" />
      <Viewers id={of.id} />
      <AssignMenu of={of} />
      <ResolveButton of={of} />
      {narrow.value && (
        <button
          type="button"
          class="icon-button"
          aria-label={t(place.value.contact ? "thread.contact.hide" : "thread.contact")}
          aria-expanded={place.value.contact}
          title={t("thread.contact")}
          onClick={() => go({ contact: !place.peek().contact })}
        >
          <Icon name="panel-right" size={17} />
        </button>
      )}
    </header>
  );
}

/** On a phone, while there is no conversation to name: the way back. */
export function BareHeader() {
  return (
    <header class="pane-head thread-head">
      <Back unread={unreadTotal.value} />
      <h1>{t("thread.one")}</h1>
    </header>
  );
}

function Back({ unread }: { unread: number }) {
  return (
    <a class="back" href={hrefTo({ conversation: "", contact: false })} aria-label={unread > 0 ? t("thread.back.unread", { n: unread }) : t("thread.back")}>
      <Icon name="chevron-left" size={22} />
      {unread > 0 && <span aria-hidden="true">{unread}</span>}
    </a>
  );
}

function ResolveButton({ of }: { of: Conversation }) {
  const resolved = of.status === "resolved";
  const name = t(resolved ? "thread.reopen" : "thread.resolve");
  return (
    <button type="button" class="button small resolve" aria-label={name} title={`${name} (E)`} onClick={() => void (resolved ? reopen : resolve)(of.id)}>
      <Icon name={resolved ? "rotate-ccw" : phone.value ? "circle-check" : "check"} size={phone.value ? 20 : 15} />
      <span class="resolve-word">{name}</span>
    </button>
  );
}

/** Colleagues who look at this conversation now. */
function Viewers({ id }: { id: string }) {
  const others = (viewing.value[id] ?? []).filter((one) => one !== myId.value);
  return (
    <>
      {others.slice(0, 3).map((one) => {
        const name = agents.value.find((agent) => agent.id === one)?.name;
        return name ? (
          <span class="viewer" key={one} title={t("thread.viewing", { name })}>
            <Avatar id={one} name={name} size={22} />
            <span class="sr">{t("thread.viewing", { name })}</span>
          </span>
        ) : null;
      })}
    </>
  );
}
