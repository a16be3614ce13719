import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../../../shared/i18n";
import { glance } from "../state/conversations";
import { draft, saveDraft, type Tab } from "../state/drafts";
import { tellTyping } from "../state/wire";
import { phone, touch } from "../ui/media";
import { keepWriting } from "./waiting";
import { writing } from "./writing";

interface TextFieldProps {
  id: string;
  tab: Tab;
  limit: number;
  onSend: () => void;
  onFiles: (files: Iterable<File>) => void;
}

/** The text: grows with what is written; what a channel cannot carry is underlined. */
export function TextField({ id, tab, limit, onSend, onFiles }: TextFieldProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  const shade = useRef<HTMLDivElement>(null);
  const text = draft(id, tab).value;

  const grow = () => {
    const area = field.current!;
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
    follow();
  };
  useLayoutEffect(grow, [text, tab, id, phone.value]);
  useEffect(() => {
    addEventListener("resize", grow);
    return () => removeEventListener("resize", grow);
  }, []);

  const follow = () => {
    if (shade.current) shade.current.scrollTop = field.current!.scrollTop;
  };

  const onInput = (value: string) => {
    if (!text) writing(id).begunAt = glance(id)?.last_seq ?? 0;
    keepWriting(id, tab);
    saveDraft(id, tab, value);
    if (tab === "reply" && value) tellTyping(id);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.isComposing) return;
    const command = event.ctrlKey || event.metaKey;
    if (!command && (event.shiftKey || touch.peek())) return;
    event.preventDefault();
    // A key held down repeats: one press is one message.
    if (!event.repeat) onSend();
  };

  const onPaste = (event: ClipboardEvent) => {
    const files = event.clipboardData?.files;
    if (!files?.length) return;
    event.preventDefault();
    onFiles(files);
  };

  return (
    <div class="composer-text">
      {text.length > limit && (
        <div class="composer-shade" dir="auto" ref={shade} aria-hidden="true">
          {text.slice(0, limit)}
          <mark>{text.slice(limit)}</mark>
        </div>
      )}
      <textarea
        ref={field}
        id="compose"
        dir="auto"
        rows={phone.value ? 1 : 2}
        value={text}
        aria-label={t(`compose.${tab}`)}
        placeholder={t(tab === "note" ? "compose.note.ph" : "compose.ph")}
        aria-invalid={text.length > limit || undefined}
        onInput={(event) => onInput(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
        onScroll={follow}
      />
    </div>
  );
}
