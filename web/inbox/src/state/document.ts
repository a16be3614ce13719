import { effect } from "@preact/signals";
import { browserLanguage, language, t } from "../../../shared/i18n";
import iconUnread from "../../favicon-unread.svg?url";
import iconQuiet from "../../favicon.svg?url";
import { unreadTotal } from "./conversations";
import { me, phase } from "./session";

const LAST_THEME = "bridge.theme";
const LAST_LANGUAGE = "bridge.language";

/** Keeps the document in step with the profile, the language and what is unread. */
export function followProfile(): void {
  const { documentElement: root } = document;
  effect(() => {
    const theme = me.value ? me.value.theme : (localStorage.getItem(LAST_THEME) ?? "");
    if (me.value) localStorage.setItem(LAST_THEME, theme);
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
  });
  effect(() => {
    const chosen = me.value ? me.value.language : localStorage.getItem(LAST_LANGUAGE);
    if (me.value) localStorage.setItem(LAST_LANGUAGE, me.value.language);
    language.value = chosen === "en" || chosen === "it" ? chosen : browserLanguage();
    root.lang = language.value;
  });
  effect(() => {
    const unread = phase.value === "in" || phase.value === "ended" ? unreadTotal.value : 0;
    document.title = unread ? `(${unread}) ${t("app.title")}` : t("app.title");
    document.getElementById("favicon")?.setAttribute("href", unread ? iconUnread : iconQuiet);
  });
}
