import { useRef, useState } from "preact/hooks";
import type { Conversation } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import { Icon } from "../../../shared/icons";
import { draft, type Tab } from "../state/drafts";
import { sendDraft } from "../state/sending";
import { phone, touch } from "../ui/media";
import { AttachButton, useDrop } from "./attach";
import { Counter } from "./counter";
import { Collision, Meanwhile, whoReplied } from "./colleagues";
import { QuoteBar } from "./quote-bar";
import { targetOf } from "./target";
import { TextField } from "./text-field";
import { TrayView } from "./tray-view";
import { ViaMenu } from "./via-menu";
import { keepWriting, tray as trayOf, whenFilesAreThere } from "./waiting";
import { writing } from "./writing";

/** Where replies and notes are written. */
export function Composer({ of }: { of: Conversation }) {
  const { tab, quote, waits, via } = writing(of.id);
  const [asking, setAsking] = useState("");
  const box = useRef<HTMLElement>(null);
  const note = tab.value === "note";
  const target = targetOf(of);
  const text = draft(of.id, tab.value);
  const tray = trayOf(of.id, tab.value);
  const limit = note ? null : (target.channel?.limits ?? null);
  const over = limit ? Math.max(0, text.value.trim().length - limit.text) : 0;
  const blocked = note ? "" : target.blocked;
  const empty = !text.value.trim() && !tray.items.value.length;
  const ready = !empty && !over && !blocked && !tray.blocked.value;

  const add = (files: Iterable<File>) => {
    keepWriting(of.id, tab.peek());
    tray.add(files, limit, target.name);
  };
  const dropping = useDrop(box, add);

  const send = (anyway = false) => {
    if (!ready) return;
    const other = anyway || note ? "" : whoReplied(of.id);
    setAsking(other);
    if (other) return;
    const message = { tab: tab.peek(), via: via.peek() ? target.address : null, quote: note ? null : quote.peek() };
    whenFilesAreThere(of.id, message.tab, () => {
      sendDraft(of.id, { ...message, text: text.peek().trim(), files: tray.ready() });
      tray.clear();
      if (!note) quote.value = null;
    });
    goOn();
  };

  return (
    <section class={`composer ${note ? "is-note" : ""}`} ref={box} aria-label={t("compose.label")}>
      {dropping && <div class="drop">{t("file.drop")}</div>}
      <Collision of={of} />
      {asking && <Meanwhile name={asking} onSend={() => send(true)} onKeep={() => setAsking("")} />}
      <div class="composer-box">
        <div class="composer-top">
          <TabButtons id={of.id} tab={tab.value} />
          {!note && <ViaMenu of={of} target={target} />}
        </div>
        {!note && <QuoteBar quote={quote} />}
        {blocked && <p class="composer-blocked"><Icon name="ban" size={14} /> {blocked}</p>}
        <TextField id={of.id} tab={tab.value} limit={limit?.text ?? Infinity} onSend={() => send()} onFiles={add} />
        <TrayView tray={tray} onRemove={() => (keepWriting(of.id, tab.peek()), goOn())} />
        <div class="composer-bar">
          <AttachButton onFiles={add} />
          <span class="grow" />
          {waits[tab.value].value && <span class="composer-hint" role="status">{t("file.wait")}</span>}
          <Counter text={text.value} over={over} limits={limit} channel={target.name} />
          <button type="button" class="button primary send" aria-disabled={!ready} aria-label={t(note ? "compose.note.add" : "compose.send")} onClick={() => send()}>
            {phone.value ? <Icon name="arrow-up" size={20} /> : t(note ? "compose.note.add" : "compose.send")}
          </button>
        </div>
      </div>
    </section>
  );
}

/** After a click beside the text the next key is part of it; on a phone no keyboard comes uncalled. */
function goOn(): void {
  if (!touch.peek()) document.getElementById("compose")?.focus();
}

function TabButtons({ id, tab }: { id: string; tab: Tab }) {
  const choose = (next: Tab) => {
    writing(id).tab.value = next;
    document.getElementById("compose")?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    choose(tab === "reply" ? "note" : "reply");
    event.preventDefault();
  };
  return (
    <div class="composer-tabs" role="tablist" onKeyDown={onKeyDown}>
      {(["reply", "note"] as const).map((one) => (
        <button
          type="button"
          key={one}
          class="tab"
          role="tab"
          aria-selected={tab === one}
          aria-controls="compose"
          tabIndex={tab === one ? 0 : -1}
          onClick={() => choose(one)}
        >
          {one === "note" && <Icon name="sticky-note" size={14} />}
          {t(`compose.${one}`)}
        </button>
      ))}
    </div>
  );
}
