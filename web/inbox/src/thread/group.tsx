import type { Conversation } from "../../../shared/api";
import { clock } from "../../../shared/format";
import { Avatar } from "../../../shared/icons";
import { key, writtenAt, type Item } from "../logic/group";
import { channelName } from "../state/conversations";
import { firstName, nameOf } from "../ui/name";
import { Footnotes } from "./footnotes";
import { MessageView } from "./message";
import { ReplyActions } from "./reply-actions";
import { State } from "./states";

/** What one person wrote on one channel in one go: one face, one line below. */
export function Group({ of, group }: { of: Conversation; group: Extract<Item, { type: "group" }> }) {
  const last = group.messages[group.messages.length - 1]!;
  const name = nameOf(of.contact, of.channel);
  const author = group.mine ? firstName(last.author?.name ?? "") : "";
  const channel = channelName(group.channel);
  const time = clock(writtenAt(last));
  return (
    <div class={group.mine ? "group mine" : "group theirs"} role="group" aria-label={[group.mine ? author : name, channel, time].filter(Boolean).join(", ")}>
      {!group.mine && <Avatar id={of.contact.id} name={name} size={28} />}
      <div class="group-messages">
        {group.messages.map((message) => (
          <MessageView message={message} last={message === last} key={key(message)} />
        ))}
        <div class="meta">
          {[author, channel, time].filter(Boolean).map((word, index) => (
            <span key={index}>{word}</span>
          ))}
          <Footnotes message={last} />
          {group.mine && last.status !== "unknown" && <State message={last} />}
          {group.mine && <ReplyActions message={last} />}
        </div>
      </div>
    </div>
  );
}
