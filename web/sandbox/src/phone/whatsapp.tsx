import { useEffect } from "preact/hooks";
import { clock } from "../../../shared/format";
import { Icon } from "../../../shared/icons";
import { api } from "../state/api";
import { look, onWhatsApp, state, tab, typing, unseen, WHATSAPP_PEOPLE } from "../state/store";
import type { WhatsAppMessage } from "../state/types";
import { waits } from "../state/wire";
import { s } from "../text";
import { tell } from "../ui/problem";
import { Composer, type Kind } from "./composer";
import { WhatsAppContent } from "./content";
import { Phone, spaced } from "./phone";

type Say = (kind: string, more?: object) => Promise<unknown>;

/** What WhatsApp has but could not bring is not on the phone, nor is a reaction that was taken back. */
function onPhone(message: WhatsAppMessage): boolean {
  if (message.kind === "reaction" && !message.text) return false;
  return message.direction === "inbound" || message.status === "delivered" || message.status === "read";
}

export function WhatsAppPhone() {
  const { name, phones, off, knobs } = state.value.whatsapp;
  const person = WHATSAPP_PEOPLE.find((one) => one.id === onWhatsApp.value)!;
  const { number } = person;
  const phone = phones[number];
  const down = knobs.mode === "down";
  const silent = off.includes(number);
  const writing = (typing.value[person.id] ?? 0) > Date.now();
  const subtitle = down ? <span class="tone-warn">{s("connecting")}</span> : writing ? <span class="tone-accent">{s("typing")} <span class="dots" aria-hidden="true"><i /><i /><i /></span></span> : spaced(state.value.whatsapp.number);
  const say: Say = (kind, more = {}) => api.whatsapp({ from: number, kind, ...more });
  const messages = (phone?.messages ?? []).filter(onPhone);
  const last = messages[messages.length - 1];
  const answered = messages.some((one) => one.direction === "outbound");
  useReading(number, messages);
  return (
    <Phone
      tone="whatsapp"
      title={name}
      subtitle={subtitle}
      served={!down && !silent}
      people={WHATSAPP_PEOPLE}
      current={person}
      unseen={unseen.value}
      onPerson={(id) => { onWhatsApp.value = id; look(id); }}
      newest={`${messages.length} ${last?.id ?? ""} ${down} ${silent} ${phone?.open ?? true}`}
      composer={
        <Composer
          vendor={s("vendor.whatsapp")}
          name={person.name}
          groups={groups(say, number, { answered, silent, open: phone?.open ?? false })}
          onText={(text) => say("text", { text })}
          onPicture={(file) => say("image", { file })}
          onProblem={tell}
        />
      }
    >
      {!messages.length && <p class="phone-empty">{s("empty", { name: person.name.split(" ")[0] ?? "" })}</p>}
      {messages.map((message, index) => (
        <Bubble
          key={message.id}
          message={message}
          before={messages[index - 1]}
          waiting={message.direction === "inbound" && waits(knobs, Date.parse(message.at))}
          say={say}
        />
      ))}
      {phone?.stopped && <p class="phone-strip">{s("stopped.whatsapp")}</p>}
      {phone && !phone.open && <p class="phone-strip">{s("lapsed")}</p>}
      {silent && <p class="phone-strip">{s("off")}</p>}
      {down && <p class="phone-strip">{s("noservice", { time: clock(knobs.since) })}</p>}
    </Phone>
  );
}

/** Who looks at a chat reads it, and the business is told. */
function useReading(number: string, messages: WhatsAppMessage[]) {
  const news = messages.filter((one) => one.direction === "outbound" && one.status === "delivered").length;
  useEffect(() => {
    if (!news) return;
    const read = () => {
      const shown = document.querySelector(".phone-whatsapp")?.checkVisibility() ?? false;
      if (shown && document.visibilityState === "visible") api.whatsappLook(number).catch(tell);
    };
    read();
    document.addEventListener("visibilitychange", read);
    return () => document.removeEventListener("visibilitychange", read);
  }, [number, news, tab.value]);
}

function Bubble({ message, before, waiting, say }: { message: WhatsAppMessage; before: WhatsAppMessage | undefined; waiting: boolean; say: Say }) {
  const mine = message.direction === "inbound";
  const bare = message.kind === "sticker" || message.kind === "reaction";
  const text = message.kind === "unsupported" ? s("unsupported") : message.text;
  return (
    <article class={`bubble ${mine ? "mine" : "theirs"} ${before?.direction !== message.direction ? "first" : ""} ${bare ? "bare" : ""}`}>
      {message.quoted && <blockquote class="quoted ellipsis">{message.quoted}</blockquote>}
      <WhatsAppContent message={message} />
      {text && <p class={message.kind === "reaction" ? "dice" : ""}>{text}</p>}
      <footer>
        <time dateTime={message.at}>{clock(message.at)}</time>
        {mine && <Tick status={waiting ? "waiting" : message.status === "read" ? "read" : "delivered"} />}
      </footer>
      {message.buttons.length > 0 && (
        <div class="phone-buttons">
          {message.buttons.map((one) => (
            <button key={one.id} type="button" onClick={() => void say("button", { button: one.id, message_id: message.id }).catch(tell)}>
              {one.title}
            </button>
          ))}
        </div>
      )}
    </article>
  );
}

function Tick({ status }: { status: "waiting" | "delivered" | "read" }) {
  return (
    <span class={status === "read" ? "tick seen" : "tick"} title={s(status)}>
      <Icon name={status === "waiting" ? "clock" : "check-check"} size={12} />
      <span class="sr">{s(status)}</span>
    </span>
  );
}

interface Standing {
  answered: boolean;
  silent: boolean;
  open: boolean;
}

function groups(say: Say, number: string, { answered, silent, open }: Standing): { title: "group.files" | "group.more" | "group.do"; kinds: Kind[] }[] {
  const kind = (key: string, icon: Kind["icon"], label: Kind["label"]): Kind => ({ key, icon, label, do: () => say(key) });
  const reaction = answered ? [kind("reaction", "plus", "kind.reaction")] : [];
  const lapse: Kind[] = open ? [{ key: "lapse", icon: "timer-off", label: "kind.lapse", do: () => api.whatsappLapse(number) }] : [];
  return [
    {
      title: "group.files",
      kinds: [
        kind("image", "image", "kind.photo"), kind("voice", "mic", "kind.voice"), kind("video", "video", "kind.video"),
        kind("document", "file-text", "kind.document"), kind("audio", "music", "kind.audio"), kind("sticker", "sticker", "kind.sticker"),
      ],
    },
    {
      title: "group.more",
      kinds: [
        kind("location", "map-pin", "kind.location"), kind("contacts", "user-round", "kind.contact"), ...reaction,
        kind("unsupported", "circle-question-mark", "kind.unsupported"),
      ],
    },
    {
      title: "group.do",
      kinds: [
        { key: "stop", icon: "ban", label: "kind.stop", do: () => say("text", { text: "STOP" }) },
        { key: "start", icon: "play", label: "kind.startsms", do: () => say("text", { text: "START" }) },
        { key: "off", icon: "power", label: silent ? "kind.on" : "kind.off", do: () => api.whatsappPhone(number, silent) },
        ...lapse,
      ],
    },
  ];
}
