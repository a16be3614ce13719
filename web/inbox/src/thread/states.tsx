import type { Channel } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import { Icon, type IconName } from "../../../shared/icons";
import type { Entry } from "../logic/group";
import { soon } from "../state/clock";
import { channelName, channels } from "../state/conversations";
import { thread } from "../state/threads";
import { because } from "../ui/reasons";

interface Look {
  icon: IconName;
  text: string;
  tone: "" | "accent" | "bad" | "warn";
}

/** A waiting reply says why after this; before, it is on its way like any other. */
const REASON_AFTER_MS = 10_000;

/** Whether a reply has been waiting for so long that it says why and can be taken back. */
export function waitsLong(message: Entry): boolean {
  return message.status === "queued" && soon.value - Date.parse(message.created_at) > REASON_AFTER_MS;
}

/** Replies leave in their order: one that is not through yet holds those after it. */
function isBehind(message: Entry): boolean {
  return thread(message.conversation_id).messages.value.some(
    (one) => one.seq < message.seq && one.direction === "outbound" && ["queued", "sending", "unknown"].includes(one.status),
  );
}

/** What is known of a reply, as an icon and a word. */
export function look(message: Entry): Look {
  const reason = because(message.reason, message.channel);
  switch (message.status) {
    case "queued": {
      if (message.local) return { icon: "clock", text: t("state.local"), tone: "" };
      const why = waitsLong(message) ? reason || (isBehind(message) ? t("why.behind") : "") : "";
      return { icon: "clock", text: why ? t("state.queued.reason", { reason: why }) : t("state.queued"), tone: why ? "warn" : "" };
    }
    case "sending":
      return { icon: "loader-circle", text: t("state.sending"), tone: "" };
    case "delivered":
      return { icon: "check-check", text: t("state.delivered"), tone: "" };
    case "read":
      return { icon: "check-check", text: t("state.read"), tone: "accent" };
    case "rejected":
    case "failed":
    case "expired": {
      const known = failure(message, reason);
      return message.may_be_there ? { icon: "circle-question-mark", text: t("state.doubt", { state: known.text }), tone: "warn" } : known;
    }
    case "unknown":
      return { icon: "circle-question-mark", text: t("state.unknown"), tone: "warn" };
    default:
      return { icon: "check", text: t("state.sent"), tone: "" };
  }
}

/** How a reply ended that did not go, for all that is known. */
function failure(message: Entry, reason: string): Look {
  if (message.status === "expired") return { icon: "timer-off", text: t("state.expired"), tone: "bad" };
  if (message.reason === "cancelled") return { icon: "ban", text: t("state.cancelled"), tone: "" };
  if (message.reason === "given_up") return { icon: "ban", text: t("state.given_up"), tone: "" };
  return { icon: "circle-alert", text: reason ? t("state.failed.reason", { reason }) : t("state.failed"), tone: "bad" };
}

/** The state of a reply; the last one that its channel can reach says so in its tooltip. */
export function State({ message }: { message: Entry }) {
  const { icon, text, tone } = look(message);
  const last = channels.value?.find((one: Channel) => one.type === message.channel)?.limits.highest === message.status;
  return (
    <span
      class={`state state-${message.status} ${tone && `tone-${tone}`}`}
      title={last && message.status !== "read" ? t("state.last", { channel: channelName(message.channel) }) : undefined}
    >
      <Icon name={icon} size={14} />
      {text}
    </span>
  );
}

/** States that a person has to see on the very message, not only at the end of its group. */
export function stands(message: Entry): boolean {
  return ["rejected", "failed", "expired", "unknown"].includes(message.status) || waitsLong(message);
}
