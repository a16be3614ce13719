import { useLayoutEffect, useRef } from "preact/hooks";
import type { Conversation } from "../../../shared/api";
import { rich, t } from "../../../shared/i18n";
import { Avatar } from "../../../shared/icons";
import { typing } from "../state/presence";
import { myId } from "../state/session";
import { thread } from "../state/threads";
import { firstName } from "../ui/name";
import { writing } from "./writing";

/** A colleague writes to the same customer. */
export function Collision({ of }: { of: Conversation }) {
  const other = typing.value[of.id]?.find((who) => who.kind === "agent" && who.id !== myId.value);
  return (
    <div class="collision" role="status">
      {other && (
        <>
          <Avatar id={other.id} name={other.name} size={18} />
          <span>{rich("compose.collision", { name: <b>{firstName(other.name)}</b> })}</span>
          <span class="dots" aria-hidden="true"><i /><i /><i /></span>
        </>
      )}
    </div>
  );
}

/** The colleague whose reply came in since the first letter was typed, or nobody. */
export function whoReplied(id: string): string {
  const since = writing(id).begunAt;
  if (!since) return "";
  const theirs = thread(id).messages.peek().filter((one) => one.seq > since && one.direction === "outbound");
  return theirs.find((one) => one.author && one.author.id !== myId.peek())?.author?.name ?? "";
}

/** Asked once before a reply that may say the same as a colleague's. It takes the focus: Enter and Esc keep the text. */
export function Meanwhile({ name, onSend, onKeep }: { name: string; onSend: () => void; onKeep: () => void }) {
  const keep = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => keep.current?.focus(), []);
  const answer = (act: () => void) => {
    act();
    document.getElementById("compose")?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Whoever goes on typing means no command of the page.
    event.stopPropagation();
    if (event.key !== "Escape") return;
    event.preventDefault();
    answer(onKeep);
  };
  return (
    <div class="meanwhile" role="alertdialog" aria-label={t("compose.meanwhile", { name })} onKeyDown={onKeyDown}>
      <span>{t("compose.meanwhile", { name: firstName(name) })}</span>
      <button ref={keep} type="button" class="button small" onClick={() => answer(onKeep)}>
        {t("compose.meanwhile.no")}
      </button>
      <button type="button" class="button small primary" onClick={() => answer(onSend)}>
        {t("compose.send")}
      </button>
    </div>
  );
}
