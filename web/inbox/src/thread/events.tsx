import { useState } from "preact/hooks";
import type { Activity, Person } from "../../../shared/api";
import { clock, full } from "../../../shared/format";
import { t, type TextKey } from "../../../shared/i18n";
import { en } from "../../../shared/text.en";
import { channelName, channels } from "../state/conversations";

/** More than this in a row fold into one line. */
const MOST = 2;

/** What happened besides messages: centred lines. */
export function Events({ events }: { events: Activity[] }) {
  const [open, setOpen] = useState(false);
  if (events.length <= MOST) return <>{events.map((event) => <Event event={event} key={event.id} />)}</>;
  return (
    <>
      <p class="event">
        <button type="button" class="link quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? t("thread.events.hide") : t("thread.events", { n: events.length })}
        </button>
      </p>
      {open && events.map((event) => <Event event={event} key={event.id} />)}
    </>
  );
}

function Event({ event }: { event: Activity }) {
  return (
    <p class="event">
      <span>{words(event)}</span>
      <time dateTime={event.at} title={full(event.at)}>
        {clock(event.at)}
      </time>
    </p>
  );
}

function words(event: Activity): string {
  const by = event.by?.name ?? "";
  const { data } = event;
  if (event.kind === "address") return addressWords(data);
  if (event.kind === "settled") return t(data.as === "again" ? "ev.settled.again" : "ev.settled.arrived", { by });
  if (event.kind === "assigned") {
    const to = data.assignee as Person | undefined;
    if (!by) return t("ev.assigned.system", { name: to?.name ?? "" });
    return to?.id === event.by?.id ? t("ev.assigned.self", { by }) : t("ev.assigned", { by, name: to?.name ?? "" });
  }
  const key = `ev.${event.kind}${by ? "" : ".system"}`;
  return key in en ? t(key as TextKey, { by }) : t("ev.other");
}

function addressWords(data: Activity["data"]): string {
  const type = channels.value?.find((one) => one.id === data.channel_id)?.type ?? null;
  const key = `ev.address.${String(data.state)}`;
  return key in en ? t(key as TextKey, { channel: channelName(type) }) : t("ev.other");
}
