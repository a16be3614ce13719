import type { ComponentChildren } from "preact";
import { phone } from "../../../shared/format";
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
      <div dir="auto">
        <RichText text={text} entities={data.entities} />
      </div>
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
  const map = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`;
  return (
    <LinkTile href={where && map}>
      <span class="tile-icon">
        <Icon name="map-pin" size={18} />
      </span>
      <span class="tile-words">
        <b>{title}</b>
        {word(data.address) && <small>{word(data.address)}</small>}
        {where && <span class="tile-link">{where} · {t("thread.map")}</span>}
      </span>
    </LinkTile>
  );
}

/** A tile that is a link as a whole, where there is an address to go to. */
function LinkTile({ href, children }: { href: string; children: ComponentChildren }) {
  if (!href) return <div class="tile">{children}</div>;
  return (
    <a class="tile" href={href} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

function Card({ data, text }: { data: Entry["data"]; text: string }) {
  const name = word(data.name) || text || t("kind.contact");
  const number = word(data.phone).replace(/[^\d+]/g, "");
  return (
    <LinkTile href={number && `tel:${number}`}>
      <Avatar id={name} name={name} size={34} />
      <span class="tile-words">
        <b>{name}</b>
        {number && <span class="tile-link">{phone(number)}</span>}
      </span>
    </LinkTile>
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
    <div class="bubble dice" role="img" aria-label={`${t("kind.dice")}: ${text}`}>
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
