import { useState } from "preact/hooks";
import { full } from "../../../shared/format";
import { t } from "../../../shared/i18n";
import { Icon } from "../../../shared/icons";
import { writtenAt, type Entry } from "../logic/group";
import { quoteInComposer } from "../composer/quoting";
import { copy } from "../ui/clipboard";
import { AttachmentView } from "./attachment";
import { Footnotes } from "./footnotes";
import { Content } from "./kinds";
import { ReplyActions, UnknownBox } from "./reply-actions";
import { look, stands } from "./states";

const FRESH_MS = 5000;

/** One message: quote, files, content, and what is wrong with it. */
export function MessageView({ message, last }: { message: Entry; last: boolean }) {
  const mine = message.direction === "outbound";
  // Only what has just been written comes in with a movement, not the pages that are loaded.
  const [fresh] = useState(() => Date.now() - Date.parse(message.created_at) < FRESH_MS);
  return (
    <div class={fresh ? "message fresh" : "message"} tabIndex={-1} data-seq={message.seq} title={full(writtenAt(message))}>
      {message.reply_to && <QuoteView message={message} />}
      <div class="message-body">
        <div class="message-parts">
          {message.attachments.map((file) => (
            <AttachmentView file={file} key={file.id} />
          ))}
          <Content message={message} />
        </div>
        <Tools message={message} />
      </div>
      {!last && (message.edited_at || message.late) && (
        <span class="meta">
          <Footnotes message={message} />
        </span>
      )}
      {mine && message.status === "unknown" && <UnknownBox message={message} />}
      {mine && !last && stands(message) && message.status !== "unknown" && <Trouble message={message} />}
    </div>
  );
}

/** The state of a message inside a group, where it differs from a smooth one. */
function Trouble({ message }: { message: Entry }) {
  const { icon, text, tone } = look(message);
  return (
    <span class={`meta trouble tone-${tone}`}>
      <Icon name={icon} size={14} /> {text}
      <ReplyActions message={message} />
    </span>
  );
}

function QuoteView({ message }: { message: Entry }) {
  const quote = message.reply_to!;
  const jump = () => document.querySelector<HTMLElement>(`[data-seq="${quote.seq}"]`)?.focus();
  return (
    <button type="button" class="quote" onClick={jump}>
      <span class="sr">{t("thread.quoted")}: </span>
      {quote.author && <b>{quote.author}</b>}
      <span class="ellipsis" dir="auto">{quote.text}</span>
    </button>
  );
}

/** Copy and quote; they show on hover, on focus, and on a tap. */
function Tools({ message }: { message: Entry }) {
  if (message.local) return null;
  return (
    <span class="tools">
      {message.text && (
        <button type="button" class="icon-button small" aria-label={t("thread.copy")} title={t("thread.copy")} onClick={() => void copy(message.text)}>
          <Icon name="copy" size={15} />
        </button>
      )}
      {message.direction !== "note" && (
        <button type="button" class="icon-button small" aria-label={t("thread.quote")} title={t("thread.quote")} onClick={() => quoteInComposer(message)}>
          <Icon name="reply" size={15} />
        </button>
      )}
    </span>
  );
}
