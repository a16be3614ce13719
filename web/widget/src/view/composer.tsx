/** @jsxImportSource ../dom */
/** Where the visitor writes. Enter sends, Shift+Enter breaks the line. */

import type { Chat } from "../chat";
import { Icon } from "./icons";

/** The writing field, for focus and height. */
export class Field {
  private node: HTMLTextAreaElement | undefined;

  readonly watch = (node: HTMLTextAreaElement): void => {
    this.node = node;
  };

  focus(): void {
    this.node?.focus({ preventScroll: true });
  }

  /** As high as its text, up to what the style allows. */
  grow(): void {
    const { style } = this.node!;
    style.height = "auto";
    style.height = `${this.node!.scrollHeight}px`;
  }
}

export function Composer({ chat, field }: { chat: Chat; field: Field }) {
  const { words } = chat.config;
  const over = Math.max(0, chat.draft.trim().length - (chat.session?.limits.text ?? Infinity));
  const send = (): void => {
    if (!over) chat.send();
    field.focus();
  };
  const key = (event: KeyboardEvent): void => {
    // An input method's Enter chooses a word: it must not send.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    send();
  };
  const paste = (event: ClipboardEvent): void => {
    const files = event.clipboardData?.files;
    if (!files?.length) return;
    event.preventDefault();
    chat.attach(files);
  };
  const pick = (event: { currentTarget: HTMLElement }): void =>
    (event.currentTarget.nextSibling as HTMLInputElement).click();
  const picked = ({ currentTarget: input }: { currentTarget: HTMLInputElement }): void => {
    chat.attach([...(input.files ?? [])]);
    input.value = "";
    field.focus();
  };
  return (
    <>
      <div role="status">
        {(chat.notice || over > 0) && <div class="notice">{over ? words.tooLong(over) : chat.notice}</div>}
      </div>
      <div class="composer">
        <button class="icon" aria-label={words.attach} title={words.attach} onClick={pick}>
          <Icon name="clip" />
        </button>
        <input type="file" multiple hidden onChange={picked} />
        <textarea ref={field.watch} rows={1} dir="auto" enterkeyhint="send" placeholder={words.write}
                  aria-label={words.write} aria-invalid={over > 0} value={chat.draft} onKeyDown={key}
                  onPaste={paste} onInput={(event) => chat.type(event.currentTarget.value)} />
        <button class="go" aria-label={words.send} disabled={!chat.draft.trim() || over > 0} onClick={send}>
          <Icon name="send" />
        </button>
      </div>
    </>
  );
}
