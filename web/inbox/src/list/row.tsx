import type { Conversation } from "../../../shared/api";
import { elapsed, full, when } from "../../../shared/format";
import { t } from "../../../shared/i18n";
import { Avatar, ChannelBadge, Icon, type IconName } from "../../../shared/icons";
import { line, type Line } from "../logic/preview";
import { assignToMe } from "../state/actions";
import { minute } from "../state/clock";
import { channelName, conversation } from "../state/conversations";
import { draft } from "../state/drafts";
import { hrefTo, place } from "../state/place";
import { typing } from "../state/presence";
import { outbox } from "../state/sending";
import { me } from "../state/session";
import { firstName, nameOf } from "../ui/name";
import { because } from "../ui/reasons";

/** A customer who waits longer than this is marked, until business hours with targets say it better. */
const TARGET_MS = 10 * 60_000;

/** One conversation of the list. */
export function Row({ id }: { id: string }) {
  const one = conversation(id);
  if (!one) return null;
  const name = nameOf(one.contact, one.channel);
  const here = place.value.conversation === id;
  return (
    <li class={one.unread ? "row unread" : "row"} data-here={here ? "" : undefined}>
      <a
        class="row-link"
        href={hrefTo({ conversation: id, contact: false })}
        aria-current={here ? "true" : undefined}
        data-conversation={id}
      >
        <span class="row-face">
          <Avatar id={one.contact.id} name={name} size={36} />
          {one.channel && <ChannelBadge type={one.channel} label={channelName(one.channel)} size={16} />}
        </span>
        <span class="row-first">
          <b class="ellipsis">{name}</b>
          <span class="sr">, </span>
          <time dateTime={one.last_message_at} title={full(one.last_message_at)}>
            {when(one.last_message_at)}
          </time>
        </span>
        <span class="row-second">
          <span class="ellipsis">
            <PreviewLine line={useLine(one, here)} />
          </span>
          {one.unread > 0 && (
            <span class="count">
              {one.unread > 99 ? "99+" : one.unread}
              <span class="sr"> {t("row.unread", { n: "" })}</span>
            </span>
          )}
        </span>
        <span class="row-third">
          <Waiting of={one} />
        </span>
      </a>
      <Assignee of={one} name={name} />
    </li>
  );
}

function useLine(one: Conversation, here: boolean): Line {
  const customer = typing.value[one.id]?.find((who) => who.kind === "customer");
  const unsent = outbox.entries.value.filter((entry) => entry.conversation_id === one.id).at(-1);
  return line(one, {
    typing: customer ? firstName(nameOf(one.contact, one.channel)) : null,
    draft: here ? "" : draft(one.id, "reply").value || draft(one.id, "note").value,
    unsent: unsent ? { text: unsent.body.text, refused: unsent.state === "refused", problem: because(unsent.problem, unsent.channel) } : null,
    me: me.value?.name ?? "",
  });
}

const KIND_ICONS: Record<string, IconName> = {
  image: "image", video: "video", animation: "image", audio: "audio-lines", voice: "mic", document: "paperclip",
  sticker: "sticker", location: "map-pin", contact: "user-round", poll: "chart-bar", dice: "dices",
};

const TONE_ICONS: Partial<Record<Line["tone"], IconName>> = {
  failed: "circle-alert",
  unknown: "circle-question-mark",
  waiting: "clock",
};

function PreviewLine({ line: { tone, lead, text, kind } }: { line: Line }) {
  const icon = TONE_ICONS[tone] ?? KIND_ICONS[kind];
  return (
    <>
      {tone === "typing" && <span class="dots" aria-hidden="true"><i /><i /><i /></span>}
      {icon && tone !== "plain" && <Icon name={icon} size={14} class={`tone-${tone}`} />}
      {lead && <span class={`lead tone-${tone}`}>{lead} </span>}
      {icon && tone === "plain" && <Icon name={icon} size={14} />}
      <bdi>{text}</bdi>
    </>
  );
}

function Waiting({ of }: { of: Conversation }) {
  const since = of.status === "open" ? of.waiting_since : null;
  if (since && minute.value - Date.parse(since) > TARGET_MS) {
    return (
      <span class="chip warn">
        <Icon name="clock" size={12} />
        {t("row.waiting", { time: elapsed(since, minute.value) })}
      </span>
    );
  }
  return <span class="row-channel">{channelName(of.channel)}</span>;
}

/** Whose it is, or a ring that makes it mine. */
function Assignee({ of, name }: { of: Conversation; name: string }) {
  if (of.assignee) {
    return (
      <span class="row-who" title={t("row.assigned", { name: of.assignee.name })}>
        <Avatar id={of.assignee.id} name={of.assignee.name} size={18} />
        <span class="sr">{t("row.assigned", { name: of.assignee.name })}</span>
      </span>
    );
  }
  const take = (event: MouseEvent) => {
    // The second click of two meets the row that has come in its place.
    if (event.detail < 2) assignToMe(of.id);
  };
  return (
    <button type="button" class="row-who take" aria-label={t("row.take", { name })} title={t("keys.take")} onClick={take}>
      <span class="ring">
        <Icon name="plus" size={12} />
      </span>
    </button>
  );
}
