import { t } from "../../../shared/i18n";
import { Avatar, Icon } from "../../../shared/icons";
import { kindName } from "../logic/preview";
import type { Entry } from "../logic/group";
import { RichText } from "./rich-text";

const word = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);

/** What a message says besides its files: text, or data that has a look of its own. */
export function Content({ message }: { message: Entry }) {
  const { kind, data, text } = message;
  if (kind === "location") return <Place data={data} />;
  if (kind === "contact") return <Card data={data} text={text} />;
  if (kind === "poll" && Array.isArray(data.options)) return <Poll data={data} />;
  if (kind === "dice") return <Dice data={data} text={text} />;
  if (kind === "start") return <Start data={data} text={text} />;
  if (kind === "unsupported") return <Unsupported data={data} text={text} />;
  if (!text) return null;
  return (
    <div class="bubble">
      <Forwarded data={data} />
      <RichText text={text} entities={data.entities} />
    </div>
  );
}

function Forwarded({ data }: { data: Entry["data"] }) {
  const from = word(data.forwarded_from);
  return from ? <span class="forwarded">{t("thread.forwarded", { name: from })}</span> : null;
}

function Place({ data }: { data: Entry["data"] }) {
  const latitude = number(data.latitude);
  const longitude = number(data.longitude);
  const title = word(data.title) || t(number(data.live_period) ? "thread.live.location" : "kind.location");
  const where = latitude === null || longitude === null ? "" : `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;
  return (
    <div class="tile">
      <span class="tile-icon">
        <Icon name="map-pin" size={18} />
      </span>
      <span class="tile-words">
        <b>{title}</b>
        {word(data.address) && <small>{word(data.address)}</small>}
        {where && (
          <a
            href={`https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`}
            target="_blank"
            rel="noopener noreferrer"
          >
            {where} · {t("thread.map")}
          </a>
        )}
      </span>
    </div>
  );
}

function Card({ data, text }: { data: Entry["data"]; text: string }) {
  const name = word(data.name) || text || t("kind.contact");
  const phone = word(data.phone);
  return (
    <div class="tile">
      <Avatar id={name} name={name} size={34} />
      <span class="tile-words">
        <b>{name}</b>
        {phone && <a href={`tel:${phone.replace(/[^\d+]/g, "")}`}>{phone}</a>}
      </span>
    </div>
  );
}

function Poll({ data }: { data: Entry["data"] }) {
  return (
    <div class="bubble poll">
      <span class="kind-line">
        <Icon name="chart-bar" size={14} /> {t("kind.poll")}
      </span>
      <b>{word(data.question)}</b>
      <ul>
        {(data.options as unknown[]).map((option, index) => (
          <li key={index}>{word(option)}</li>
        ))}
      </ul>
    </div>
  );
}

function Dice({ data, text }: { data: Entry["data"]; text: string }) {
  return (
    <div class="bubble dice" aria-label={`${t("kind.dice")}: ${text}`}>
      <span aria-hidden="true">{word(data.emoji) || "🎲"}</span>
      <b>{number(data.value) ?? text}</b>
    </div>
  );
}

function Start({ data, text }: { data: Entry["data"]; text: string }) {
  const payload = word(data.payload);
  return (
    <div class="bubble quiet">
      <Icon name="message-square" size={15} />
      <span>
        {payload ? `${t("kind.start")}. ${t("thread.start.payload", { payload })}` : t("kind.start")}
        {text && !text.startsWith("/start") && ` ${text}`}
      </span>
    </div>
  );
}

/** Said plainly: something was sent, and this is as much as is known of it. */
function Unsupported({ data, text }: { data: Entry["data"]; text: string }) {
  return (
    <div class="bubble quiet">
      <Icon name="circle-alert" size={15} />
      <span>
        {t("thread.unsupported")} <code>{word(data.kind) || kindName("unsupported")}</code>
        {text && <span class="kind-text">{text}</span>}
      </span>
    </div>
  );
}
