import { clock, day } from "../../../shared/format";
import { api } from "../state/api";
import { look, onSms, SMS_PEOPLE, state, unseen } from "../state/store";
import type { SmsMessage } from "../state/types";
import { waits } from "../state/wire";
import { s } from "../text";
import { tell } from "../ui/problem";
import { Composer, type Kind } from "./composer";
import { SmsContent } from "./content";
import { Phone, spaced } from "./phone";

/** A new time is said where so long nobody wrote. */
const PAUSE_MS = 10 * 60_000;
const UNREACHABLE = 30003;

export function SmsPhone() {
  const { number, phones, dead, knobs } = state.value.sms;
  const who = onSms.value;
  const person = SMS_PEOPLE.find((one) => one.id === who)!;
  const phone = phones[who];
  const down = knobs.mode === "down";
  const off = dead.includes(who);
  // What Twilio has but could not bring is not on the phone.
  const messages = (phone?.messages ?? []).filter((one) => one.direction !== "outbound-api" || one.status === "delivered");
  return (
    <Phone
      tone="sms"
      title={state.value.telegram.name}
      subtitle={spaced(number)}
      served={!down && !off}
      people={SMS_PEOPLE}
      current={person}
      unseen={unseen.value}
      onPerson={(id) => { onSms.value = id; look(id); }}
      newest={`${messages.length} ${messages[messages.length - 1]?.sid ?? ""} ${down} ${off}`}
      composer={
        <Composer
          vendor={s("vendor.sms")}
          name={person.name}
          groups={[{ title: "group.do", kinds: actions(who, off) }]}
          onText={(text) => api.sms({ from: who, text })}
          onPicture={(file) => api.sms({ from: who, media: [file] })}
          onProblem={tell}
        />
      }
    >
      {!messages.length && <p class="phone-empty">{s("empty", { name: person.name.split(" ")[0] ?? "" })}</p>}
      {messages.map((message, index) => (
        <Bubble key={message.sid} message={message} before={messages[index - 1]} waiting={message.direction === "inbound" && waits(knobs, Date.parse(message.at))} />
      ))}
      {phone?.opted_out && <p class="phone-strip">{s("stopped")}</p>}
      {off && <p class="phone-strip">{s("off")}</p>}
      {down && <p class="phone-strip">{s("noservice", { time: clock(knobs.since) })}</p>}
    </Phone>
  );
}

function Bubble({ message, before, waiting }: { message: SmsMessage; before: SmsMessage | undefined; waiting: boolean }) {
  const mine = message.direction === "inbound";
  const pause = !before || Date.parse(message.at) - Date.parse(before.at) > PAUSE_MS;
  const first = pause || (before.direction === "inbound") !== mine;
  return (
    <>
      {pause && <p class="phone-day"><time dateTime={message.at}>{day(message.at)}, {clock(message.at)}</time></p>}
      <article class={`bubble ${mine ? "mine" : "theirs"} ${first ? "first" : ""}`}>
        <SmsContent message={message} />
        {message.body && <p>{message.body}</p>}
      </article>
      {waiting && <p class="phone-state">{s("waiting")}</p>}
    </>
  );
}

function actions(from: string, off: boolean): Kind[] {
  return [
    { key: "photo", icon: "image", label: "kind.photo", do: () => api.sms({ from, kind: "photo" }) },
    { key: "stop", icon: "ban", label: "kind.stop", do: () => api.sms({ from, text: "STOP" }) },
    { key: "start", icon: "play", label: "kind.startsms", do: () => api.sms({ from, text: "START" }) },
    { key: "off", icon: "power", label: off ? "kind.on" : "kind.off", do: () => api.phone(from, off ? null : UNREACHABLE) },
  ];
}
