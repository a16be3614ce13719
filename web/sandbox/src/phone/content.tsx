import { Icon, type IconName } from "../../../shared/icons";
import { calm } from "../../../inbox/src/ui/media";
import { fileUrl } from "../state/api";
import type { BotMessage, SmsMessage, WhatsAppMessage } from "../state/types";

/** What a Telegram message holds besides its words. */
export function BotContent({ message }: { message: BotMessage }) {
  const photo = message.photo?.[message.photo.length - 1];
  if (photo) return <Picture url={fileUrl.telegram(photo.file_id)} alt={message.caption ?? ""} />;
  const film = message.video ?? message.animation ?? message.video_note;
  if (film) {
    const moving = Boolean(message.animation);
    return (
      <video
        class={message.video_note ? "film round" : "film"}
        src={fileUrl.telegram(film.file_id)}
        controls={calm.value || (!moving && !message.video_note)}
        autoPlay={moving && !calm.value}
        loop={moving}
        muted
        playsInline
      />
    );
  }
  const sound = message.voice ?? message.audio;
  if (sound) return <audio class="sound" src={fileUrl.telegram(sound.file_id)} controls preload="none" />;
  if (message.sticker) return <img class="sticker" src={fileUrl.telegram(message.sticker.file_id)} alt="Sticker" />;
  if (message.document) return <Card icon="file-text" title={message.document.file_name ?? "file"} href={fileUrl.telegram(message.document.file_id)} />;
  if (message.venue) return <Card icon="map-pin" title={message.venue.title} small={message.venue.address} />;
  if (message.location) {
    const { latitude, longitude } = message.location;
    return <Card icon="map-pin" title={`${latitude.toFixed(4)}, ${longitude.toFixed(4)}`} />;
  }
  if (message.contact) return <Card icon="user-round" title={message.contact.first_name} small={message.contact.phone_number} />;
  if (message.poll) return <Card icon="list" title={message.poll.question} small={message.poll.options.map((one) => one.text).join(" · ")} />;
  if (message.dice) return <span class="dice" role="img" aria-label={`${message.dice.emoji} ${message.dice.value}`}>{message.dice.emoji} {message.dice.value}</span>;
  return null;
}

/** The files of an MMS. */
export function SmsContent({ message }: { message: SmsMessage }) {
  return (
    <>
      {message.media.map((file) =>
        file.mime.startsWith("image/") ? (
          <Picture key={file.sid} url={fileUrl.sms(file.sid)} alt="" />
        ) : (
          <Card key={file.sid} icon="file-text" title={file.name} href={fileUrl.sms(file.sid)} />
        ),
      )}
    </>
  );
}

/** What a WhatsApp message holds besides its words. */
export function WhatsAppContent({ message }: { message: WhatsAppMessage }) {
  const { file, card, kind } = message;
  if (card) return <Card icon={kind === "location" ? "map-pin" : "user-round"} title={card.title} small={card.small} />;
  if (!file) return null;
  const url = fileUrl.whatsapp(file.id);
  if (kind === "image") return <Picture url={url} alt={message.text} />;
  if (kind === "video") return <video class="film" src={url} controls muted playsInline />;
  if (kind === "audio") return <audio class="sound" src={url} controls preload="none" />;
  if (kind === "sticker") return <img class="sticker" src={url} alt="Sticker" />;
  return <Card icon="file-text" title={file.name} href={url} />;
}

function Picture({ url, alt }: { url: string; alt: string }) {
  return <img class="picture" src={url} alt={alt} loading="lazy" />;
}

function Card({ icon, title, small = "", href }: { icon: IconName; title: string; small?: string; href?: string }) {
  const inside = (
    <>
      <span class="card-icon"><Icon name={icon} /></span>
      <span class="card-words"><b class="ellipsis">{title}</b>{small && <small class="ellipsis">{small}</small>}</span>
    </>
  );
  return href ? <a class="card" href={href} download={title}>{inside}</a> : <span class="card">{inside}</span>;
}
