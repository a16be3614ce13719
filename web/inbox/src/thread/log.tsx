import { useComputed } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Conversation } from "../../../shared/api";
import { day } from "../../../shared/format";
import { t } from "../../../shared/i18n";
import { ChannelBadge, Icon } from "../../../shared/icons";
import { arrange, type Item } from "../logic/group";
import { channelName } from "../state/conversations";
import { asEntries } from "../state/outbox";
import { outbox } from "../state/sending";
import { me } from "../state/session";
import type { Thread } from "../state/threads";
import { phone } from "../ui/media";
import { firstName, nameOf } from "../ui/name";
import { Announcer } from "./announcer";
import { Events } from "./events";
import { Group } from "./group";
import { Note } from "./note";
import { useScroll } from "./scroll";
import { TypingLine } from "./typing-line";

/** The messages of a thread, from the oldest loaded to the newest. */
export function Log({ of, thread }: { of: Conversation; thread: Thread }) {
  const scroller = useRef<HTMLDivElement>(null);
  const days = useComputed(() => {
    const messages = thread.messages.value;
    const mine = outbox.entries.value.filter((one) => one.conversation_id === thread.id);
    const local = thread.atEnd.value ? asEntries(mine, messages, me.value ?? { id: "", name: "" }) : [];
    return arrange([...messages, ...local], thread.activity.value, thread.newFrom.value);
  });
  const { away, unseen, onScroll, toEnd } = useScroll(scroller, thread);

  const onKeyDown = (event: KeyboardEvent) => {
    const log = scroller.current!;
    const onLog = event.target === log;
    if (onLog && event.key === "Home") log.scrollTop = 0;
    else if (onLog && event.key === "End") toEnd();
    else return moveFocus(event, log);
    event.preventDefault();
  };


  const Heading = phone.value ? "h2" : "h3";
  return (
    <div class="log-frame">
      <div class="log" ref={scroller} role="log" aria-live="off" aria-label={t("thread.messages")} tabIndex={0} onScroll={onScroll} onKeyDown={onKeyDown}>
        <div class="log-content">
          {!thread.atStart.value && <div class="log-more" aria-hidden="true" />}
          {days.value.map(({ key, at, items }) => (
            <section class="day-part" key={key}>
              <Heading class="day">{day(at)}</Heading>
              {items.map((item) => (
                <ItemView item={item} of={of} key={item.key} />
              ))}
            </section>
          ))}
          <TypingLine of={of} />
        </div>
      </div>
      {away && (
        <button type="button" class="pill jump" onClick={toEnd}>
          <Icon name="arrow-down" size={14} />
          {t(unseen ? "thread.jump" : "thread.jump.end")}
        </button>
      )}
      <Announcer of={of} thread={thread} />
    </div>
  );
}

/** Arrows walk through the messages, so that their tools can be reached without a tab stop each. */
function moveFocus(event: KeyboardEvent, log: HTMLElement): void {
  if ((event.key !== "ArrowUp" && event.key !== "ArrowDown") || event.altKey || event.ctrlKey || event.metaKey) return;
  const all = Array.from(log.querySelectorAll<HTMLElement>("[data-seq]"));
  const at = all.findIndex((one) => one.contains(document.activeElement));
  const next = at < 0 ? all[all.length - 1] : all[at + (event.key === "ArrowUp" ? -1 : 1)];
  next?.focus();
  if (next) event.preventDefault();
}

function ItemView({ item, of }: { item: Item; of: Conversation }) {
  switch (item.type) {
    case "new":
      return <p class="event line new" id="new"><b>{t("thread.new")}</b></p>;
    case "continues":
      return (
        <p class="event line">
          <ChannelBadge type={item.channel} label={channelName(item.channel)} size={16} />
          <b>{t("thread.continues", { name: firstName(nameOf(of.contact, of.channel)), channel: channelName(item.channel) })}</b>
        </p>
      );
    case "events":
      return <Events events={item.events} />;
    case "note":
      return <Note message={item.message} />;
    default:
      return <Group of={of} group={item} />;
  }
}
