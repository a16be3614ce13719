/** @jsxImportSource ../dom */
/** One message: its text, its files, or the file on its way up. */

import type { Chat } from "../chat";
import { bytes } from "../chat";
import type { Entry } from "../entries";
import type { Attachment } from "../types";
import { Icon } from "./icons";

/** Text with its links; only http and https ever become one. */
function Linked({ text }: { text: string }) {
  const parts = text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]}'])/);
  return (
    <>
      {parts.map((part, index) =>
        index % 2 ? <a href={part} target="_blank" rel="noopener noreferrer nofollow">{part}</a> : part,
      )}
    </>
  );
}

function Tile({ name, hint, href }: { name: string; hint: string; href?: string | undefined }) {
  const inside = (
    <>
      <Icon name="file" size={22} />
      <span>
        <b>{name}</b>
        <small>{hint}</small>
      </span>
    </>
  );
  return href ? (
    <a class="tile" href={href} target="_blank" rel="noopener noreferrer">{inside}</a>
  ) : (
    <div class="tile">{inside}</div>
  );
}

/** A picture in a frame of its own shape, so that nothing moves when it arrives. */
function Picture({ file, src, href, alt }: { file: Attachment; src: string; href: string; alt: string }) {
  const { width, height } = file;
  return (
    <a class="pic" href={href} target="_blank" rel="noopener noreferrer">
      <img src={src} alt={file.name || alt} {...(width && height ? { width, height } : {})} />
    </a>
  );
}

function Stored({ file, chat, clientId }: { file: Attachment; chat: Chat; clientId: string | null }) {
  const { words, lang, base } = chat.config;
  const name = file.name || words.file;
  if (file.state === "failed" || file.state === "too_big") return <Tile name={name} hint={words.fileLost} />;
  const href = file.url && new URL(file.url, base).href;
  const preview = clientId && chat.uploads.previews.get(clientId);
  if (file.kind === "image" && (href || preview))
    return <Picture file={file} src={preview || href} href={href || preview || ""} alt={words.picture} />;
  if (href && (file.kind === "audio" || file.kind === "voice")) return <audio controls preload="none" src={href} />;
  if (href && (file.kind === "video" || file.kind === "animation"))
    return <video class="pic" controls preload="metadata" src={href} />;
  return <Tile name={name} hint={file.size ? bytes(file.size, lang) : ""} href={href || undefined} />;
}

/** A file that is not stored yet, with how far its upload got. */
function Rising({ entry, chat }: { entry: Entry; chat: Chat }) {
  const { key, waiting, upload } = entry;
  const preview = chat.uploads.previews.get(key);
  const file = waiting!.file!;
  const part = upload?.part ?? 0;
  return (
    <div class={preview ? "pic rising" : "rising"}>
      {preview ? (
        <img src={preview} alt={file.name} />
      ) : (
        <Tile name={file.name} hint={bytes(file.size, chat.config.lang)} />
      )}
      {entry.state !== "failed" && (
        <div class="bar" role="progressbar" aria-label={file.name} aria-valuenow={Math.round(part * 100)}>
          <i style={{ width: `${part * 100}%` }} />
        </div>
      )}
    </div>
  );
}

export function Bubble({ entry, chat }: { entry: Entry; chat: Chat }) {
  const files = entry.message?.attachments ?? [];
  const unknown = !entry.text && !files.length && !entry.waiting?.file;
  const text = unknown ? chat.config.words.unsupported : entry.text;
  return (
    <div class={`msg ${entry.state}`}>
      {files.map((file) => (
        <Stored key={file.id} file={file} chat={chat} clientId={entry.message?.client_id ?? null} />
      ))}
      {entry.waiting?.file && <Rising entry={entry} chat={chat} />}
      {text && (
        <div class="text" dir="auto">
          <Linked text={text} />
        </div>
      )}
    </div>
  );
}
