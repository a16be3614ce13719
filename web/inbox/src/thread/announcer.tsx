import { useSignalEffect } from "@preact/signals";
import { useRef, useState } from "preact/hooks";
import type { Conversation } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import { kindName } from "../logic/preview";
import type { Thread } from "../state/threads";
import { nameOf } from "../ui/name";

/** Reads new messages of the customer out, once each; pages that are loaded are not news. */
export function Announcer({ of, thread }: { of: Conversation; thread: Thread }) {
  const [text, setText] = useState("");
  const newest = useRef(Infinity);
  useSignalEffect(() => {
    const last = thread.messages.value[thread.messages.value.length - 1];
    if (!last) return;
    if (last.seq > newest.current && last.direction === "inbound") {
      setText(t("thread.said", { name: nameOf(of.contact, of.channel), text: last.text || kindName(last.kind) }));
    }
    newest.current = last.seq;
  });
  return (
    <p class="sr" role="status" aria-live="polite">
      {text}
    </p>
  );
}
