import { clock } from "../../../shared/format";
import { t } from "../../../shared/i18n";
import { Icon } from "../../../shared/icons";
import type { Entry } from "../logic/group";
import { firstName } from "../ui/name";
import { AttachmentView } from "./attachment";
import { ReplyActions } from "./reply-actions";
import { RichText } from "./rich-text";
import { look } from "./states";

/** What only the team sees. */
export function Note({ message }: { message: Entry }) {
  const author = firstName(message.author?.name ?? "");
  return (
    <div class="note" role="group" aria-label={`${t("thread.note")}, ${author}, ${clock(message.created_at)}`} data-seq={message.seq} tabIndex={-1}>
      <Icon name="sticky-note" />
      <div class="note-body">
        <div class="note-head">
          {[author, t("thread.note"), clock(message.created_at)].map((word, index) => (
            <span key={index}>{word}</span>
          ))}
          {message.local && <span>{look(message).text}</span>}
          <ReplyActions message={message} />
        </div>
        <div dir="auto">
          <RichText text={message.text} />
        </div>
        {message.attachments.map((file) => (
          <AttachmentView file={file} key={file.id} />
        ))}
      </div>
    </div>
  );
}
