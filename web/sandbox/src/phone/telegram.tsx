import { clock } from "../../../shared/format";
import { Icon } from "../../../shared/icons";
import { api } from "../state/api";
import { look, onTelegram, state, TELEGRAM_PEOPLE, typing, unseen } from "../state/store";
import type { BotMessage } from "../state/types";
import { waits } from "../state/wire";
import { s } from "../text";
import { tell } from "../ui/problem";
import { Composer, type Kind } from "./composer";
import { BotContent } from "./content";
import { Phone } from "./phone";


export function TelegramPhone() {
  const { name, chats, knobs } = state.value.telegram;
  const chat_id = onTelegram.value;
  const person = TELEGRAM_PEOPLE.find((one) => one.id === chat_id)!;
  const chat = chats[chat_id];
  const down = knobs.mode === "down";
  const writing = (typing.value[chat_id] ?? 0) > Date.now();
  const subtitle = down ? <span class="tone-warn">{s("connecting")}</span> : writing ? <span class="tone-accent">{s("typing")} <span class="dots" aria-hidden="true"><i /><i /><i /></span></span> : s("bot");
  const say = (kind: string, more: object = {}) => api.telegram({ chat_id, kind, ...more });
  const messages = chat?.messages ?? [];
  const last = messages[messages.length - 1];
  return (
    <Phone
      tone="telegram"
      title={name}
      subtitle={subtitle}
      served={!down}
      people={TELEGRAM_PEOPLE}
      current={person}
      unseen={unseen.value}
      onPerson={(id) => { onTelegram.value = Number(id); look(id); }}
      newest={`${messages.length} ${last?.message_id ?? 0} ${last?.edit_date ?? 0} ${down} ${chat?.blocked ?? false}`}
      composer={
        <Composer
          vendor={s("vendor.telegram")}
          name={person.name}
          groups={groups(say, chat?.blocked ?? false)}
          onText={(text) => say("text", { text })}
          onPicture={(file) => say("photo", { file })}
          onProblem={tell}
        />
      }
    >
      {!messages.length && <p class="phone-empty">{s("empty", { name: person.name.split(" ")[0] ?? "" })}</p>}
      {messages.map((message, index) => (
        <Bubble key={message.message_id} message={message} before={messages[index - 1]} waiting={!message.from.is_bot && waits(knobs, message.date * 1000)} />
      ))}
      {chat?.blocked && <p class="phone-strip">{s("blocked")}</p>}
      {down && <p class="phone-strip">{s("noservice", { time: clock(knobs.since) })}</p>}
    </Phone>
  );
}

function Bubble({ message, before, waiting }: { message: BotMessage; before: BotMessage | undefined; waiting: boolean }) {
  const at = new Date(message.date * 1000).toISOString();
  const text = message.text ?? message.caption;
  const first = before?.from.id !== message.from.id;
  const bare = Boolean(message.sticker || message.dice || message.video_note) && !text;
  return (
    <article class={`bubble ${message.from.is_bot ? "theirs" : "mine"} ${first ? "first" : ""} ${bare ? "bare" : ""}`}>
      {message.reply_to_message && <blockquote class="quoted ellipsis">{message.reply_to_message.text ?? message.reply_to_message.caption ?? "…"}</blockquote>}
      <BotContent message={message} />
      {text && <p>{text}</p>}
      <footer>
        {message.edit_date && <span>{s("edited")}</span>}
        <time dateTime={at}>{clock(at)}</time>
        {!message.from.is_bot && (
          <span class="tick" title={s(waiting ? "waiting" : "sent")}>
            <Icon name={waiting ? "clock" : "check"} size={11} />
            <span class="sr">{s(waiting ? "waiting" : "sent")}</span>
          </span>
        )}
      </footer>
    </article>
  );
}

type Say = (kind: string, more?: object) => Promise<unknown>;

function groups(say: Say, blocked: boolean): { title: "group.files" | "group.more" | "group.do"; kinds: Kind[] }[] {
  const kind = (key: string, icon: Kind["icon"], more?: object): Kind => ({
    key,
    icon,
    label: `kind.${key}` as Kind["label"],
    do: () => say(key, more),
  });
  return [
    {
      title: "group.files",
      kinds: [
        kind("photo", "image"), kind("album", "images"), kind("voice", "mic"), kind("video", "video"),
        kind("document", "file-text"), kind("audio", "music"), kind("animation", "film"),
        kind("video_note", "video"), kind("sticker", "sticker"),
      ],
    },
    {
      title: "group.more",
      kinds: [
        kind("location", "map-pin"), kind("venue", "map-pin"), kind("contact", "user-round"),
        kind("poll", "list"), kind("dice", "dices"),
      ],
    },
    {
      title: "group.do",
      kinds: [
        kind("start", "play"), kind("edit", "pencil", { text: s("edit.text") }),
        blocked ? kind("unblocked", "rotate-ccw") : kind("blocked", "ban"),
      ],
    },
  ];
}
