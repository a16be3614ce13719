import type { Conversation } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import { Avatar } from "../../../shared/icons";
import { typing } from "../state/presence";
import { firstName, nameOf } from "../ui/name";

/** The customer is writing: where their next message will be. */
export function TypingLine({ of }: { of: Conversation }) {
  if (!typing.value[of.id]?.some((who) => who.kind === "customer")) return null;
  const name = nameOf(of.contact, of.channel);
  return (
    <div class="group theirs typing" role="status">
      <Avatar id={of.contact.id} name={name} size={28} />
      <div class="bubble">
        <span class="dots" aria-hidden="true"><i /><i /><i /></span>
        <span class="typing-words">{t("thread.typing", { name: firstName(name) })}</span>
      </div>
    </div>
  );
}
