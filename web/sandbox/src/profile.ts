import { effect } from "@preact/signals";
import { browserLanguage, language } from "../../shared/i18n";
import { s } from "./text";

/** The inbox in the frame keeps the agent's theme and language there; this page follows it. */
const THEME = "bridge.theme";
const LANGUAGE = "bridge.language";

export function followProfile(): void {
  read();
  window.addEventListener("storage", (event) => {
    if (event.key === THEME || event.key === LANGUAGE || event.key === null) read();
  });
  effect(() => {
    document.documentElement.lang = language.value;
    document.title = s("page.title");
  });
}

function read(): void {
  const theme = localStorage.getItem(THEME);
  const { documentElement: root } = document;
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  else delete root.dataset.theme;
  const chosen = localStorage.getItem(LANGUAGE);
  language.value = chosen === "en" || chosen === "it" ? chosen : browserLanguage();
}
