/** @jsxImportSource ../dom */
/** The launcher, what it says while closed, and the panel. */

import type { Chat } from "../chat";
import { draw } from "../dom/jsx-runtime";
import { entriesOf, firstName } from "../entries";
import { Composer, Field } from "./composer";
import { Icon } from "./icons";
import { Log } from "./log";
import { Scroll } from "./scroll";

const FULL = "(max-width: 479.98px)";
const STOPS = "button:not(:disabled),textarea,a[href],[tabindex],audio,video";

function initials(name: string): string {
  return name.split(/\s+/).slice(0, 2).map((word) => word.charAt(0)).join("").toUpperCase();
}

/** The last two of the team who wrote here. */
function Faces({ names }: { names: string[] }) {
  return names.length > 0 && (
    <span class="faces" aria-hidden="true">
      {names.slice(-2).map((name) => <span class="face">{initials(name)}</span>)}
    </span>
  );
}

export class App {
  private readonly field = new Field();
  private readonly scroll = new Scroll(() => this.redraw());
  private launcher: HTMLElement | undefined;
  private panel: HTMLElement | undefined;
  /** A file is dragged over the panel. */
  private over = false;
  /** The message whose bubble was put away. */
  private shut = "";
  private due = false;

  constructor(
    private readonly chat: Chat,
    private readonly root: ShadowRoot,
    /** Whether the site's greeting was put away, for good. */
    private greeted: boolean,
    private readonly putAway: () => void,
  ) {
    chat.listen(() => this.redraw());
    this.draw();
  }

  show(open: boolean): void {
    const { chat } = this;
    if (open === chat.open) return;
    chat.show(open);
    this.draw();
    // In the task of the click: a phone shows its keyboard only then.
    if (open) this.field.focus();
    else this.launcher?.focus({ preventScroll: true });
  }

  /** Many changes in one task are one drawing. */
  private redraw(): void {
    if (this.due) return;
    this.due = true;
    queueMicrotask(() => this.draw());
  }

  private draw(): void {
    this.due = false;
    const { chat } = this;
    const { theme, position, launcher } = chat.config;
    draw(
      <div class={`root ${theme} ${position}${chat.open ? " open" : ""}`}>
        {launcher !== "none" && this.drawLauncher()}
        {chat.open ? this.drawPanel() : this.drawBubble()}
      </div>,
      this.root,
    );
    if (!chat.open) return;
    this.field.grow();
    this.scroll.settle(entriesOf(chat));
  }

  private drawLauncher() {
    const { chat } = this;
    const { words, launcher } = chat.config;
    const count = chat.open ? 0 : chat.unread;
    const name = (chat.open ? words.close : words.open) + (count ? ", " + words.unread(count) : "");
    return (
      <button class={`launcher ${chat.open ? "" : launcher}`} ref={(node: HTMLElement) => (this.launcher = node)} aria-label={name}
              aria-expanded={chat.open} aria-haspopup="dialog" onClick={() => this.show(!chat.open)}>
        <Icon name={chat.open ? "down" : "chat"} size={26} />
        {launcher === "label" && !chat.open && <span>{words.label}</span>}
        {count > 0 && <em>{count > 99 ? "99+" : count}</em>}
      </button>
    );
  }

  /** Beside the closed launcher: the last word of the team, else the site's greeting. */
  private drawBubble() {
    const { words, greeting } = this.chat.config;
    const { unread, messages } = this.chat.thread;
    const last = unread.at(-1);
    if (last ? last.id === this.shut : !greeting || this.greeted || messages.length) return null;
    const dismiss = (): void => {
      if (last) this.shut = last.id;
      else {
        this.greeted = true;
        this.putAway();
      }
      this.draw();
    };
    return (
      <div class="peek">
        <button class="peek-open" onClick={() => this.show(true)}>
          {last?.author && <span class="face" aria-hidden="true">{initials(last.author)}</span>}
          <span>
            {last && <b>{firstName(last.author) || words.team}</b>}
            <span class="peek-text" dir="auto">{last ? last.text || words.file : greeting}</span>
          </span>
        </button>
        <button class="icon" aria-label={words.dismiss} onClick={dismiss}><Icon name="close" size={16} /></button>
      </div>
    );
  }

  private drawPanel() {
    const { chat } = this;
    const { words, title } = chat.config;
    const name = title || chat.session?.business || words.title;
    const authors = chat.thread.messages.filter((message) => !message.mine && message.author);
    return (
      <div class="panel" role="dialog" aria-label={name} ref={(node: HTMLElement) => (this.panel = node)}
           onKeyDown={this.key} onDragOver={this.drag} onDragLeave={this.dragOut} onDrop={this.drop}>
        <div class="head">
          <Faces names={[...new Set(authors.map((message) => message.author))]} />
          <h2>{name}</h2>
          <button class="icon" aria-label={words.hide} onClick={() => this.show(false)}><Icon name="down" size={20} /></button>
        </div>
        <div role="status">
          {chat.trouble && <div class="trouble"><Icon name="offline" size={18} /><span>{words[chat.trouble]}</span></div>}
        </div>
        <Log chat={chat} scroll={this.scroll} />
        <Composer chat={chat} field={this.field} />
        {this.over && <div class="over">{words.drop}</div>}
      </div>
    );
  }

  private readonly key = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.stopPropagation();
      this.show(false);
    } else if (event.key === "Tab" && matchMedia(FULL).matches) this.trap(event);
  };

  /** Full screen is all there is: Tab goes round inside. */
  private trap(event: KeyboardEvent): void {
    const stops = [...this.panel!.querySelectorAll<HTMLElement>(STOPS)];
    const [edge, other] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
    if (this.root.activeElement !== edge) return;
    event.preventDefault();
    other?.focus();
  }

  private setOver(over: boolean): void {
    if (over === this.over) return;
    this.over = over;
    this.draw();
  }

  private readonly drag = (event: DragEvent): void => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    this.setOver(true);
  };

  private readonly dragOut = (event: DragEvent): void => {
    if (!this.panel!.contains(event.relatedTarget as Node | null)) this.setOver(false);
  };

  private readonly drop = (event: DragEvent): void => {
    event.preventDefault();
    this.setOver(false);
    this.chat.attach([...(event.dataTransfer?.files ?? [])]);
  };
}
