/** The chat of a site: `<script async src="https://HOST/widget.js"></script>`. */

import { Chat } from "./chat";
import { readConfig } from "./config";
import { keepIn } from "./keep";
import css from "./style.css?inline";
import { App } from "./view/app";

/** What the site's own scripts may call. */
export interface BridgeApi {
  open(): void;
  close(): void;
  /** Hear how many messages are unread, now and at every change; returns how to stop. */
  on(event: "unread", listener: (count: number) => void): () => void;
}

declare global {
  interface Window {
    Bridge?: BridgeApi;
  }
}

/**
 * The widget's place: above the page, outside its flow, with styles of its own. Beside the body, not in
 * it: sites that change pages without loading them put another body in its place.
 */
function makeHost(lang: string): ShadowRoot {
  const host = document.createElement("bridge-chat");
  host.lang = lang;
  const root = host.attachShadow({ mode: "open" });
  // A constructed sheet passes a strict Content-Security-Policy, which refuses <style>.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [sheet];
  document.documentElement.append(host);
  return root;
}

function apiOf(chat: Chat, app: App): BridgeApi {
  return {
    open: () => app.show(true),
    close: () => app.show(false),
    on(_event, listener) {
      let count = -1;
      const tell = (): void => {
        if (count !== chat.unread) listener((count = chat.unread));
      };
      tell();
      return chat.listen(tell);
    },
  };
}

/** On phones the keyboard covers the page instead of resizing it: follow what is really visible. */
function followKeyboard(host: HTMLElement): void {
  const view = window.visualViewport;
  view?.addEventListener("resize", () => {
    host.style.setProperty("--visible", `${view.height}px`);
    host.style.setProperty("--top", `${view.offsetTop}px`);
  });
}

function start(script: HTMLScriptElement): void {
  const config = readConfig(script);
  const keep = keepIn("bridge." + new URL(config.base).host + ".");
  const chat = new Chat(config);
  const root = makeHost(config.lang);
  const { inks } = config;
  const host = root.host as HTMLElement;
  if (inks) for (const [name, value] of Object.entries(inks)) host.style.setProperty("--" + name, value);
  followKeyboard(host);
  const app = new App(chat, root, !!keep.get("greeted"), () => keep.set("greeted", 1));
  window.Bridge = apiOf(chat, app);
}

const script = document.currentScript as HTMLScriptElement | null;
// Twice the tag is still one chat.
if (script && !window.Bridge) start(script);
