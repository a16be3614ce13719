import type { Agent } from "../../../shared/api";
import { language, t } from "../../../shared/i18n";
import { Avatar, Icon } from "../../../shared/icons";
import { keysShown } from "../keys";
import { outbox } from "../state/sending";
import { me, saveMe } from "../state/session";
import { complain } from "../state/toasts";
import { connection, signOut } from "../state/wire";
import { Choice, Menu, MenuAction, MenuTitle } from "../ui/menu";

const THEMES = ["", "light", "dark"] as const;
const LANGUAGES = [["en", "English"], ["it", "Italiano"]] as const;

/** The agent: language, theme, keys, sign-out. */
export function Me({ side = "up", edge = "start" }: { side?: "up" | "down"; edge?: "start" | "end" }) {
  const agent = me.value;
  if (!agent) return null;
  const here = connection.value === "online";
  return (
    <Menu
      label={t("me.menu")}
      side={side}
      edge={edge}
      button={(attributes) => (
        <button {...attributes} class="me">
          <span class={here ? "presence here" : "presence"}>
            <Avatar id={agent.id} name={agent.name} size={30} />
          </span>
          <span class="me-words">
            <b>{agent.name}</b>
            <small>{t(here ? "me.online" : "me.offline")}</small>
            <span class="sr">, {t("me.menu")}</span>
          </span>
          <Icon name="chevrons-up-down" class="me-more" />
        </button>
      )}
    >
      {(close) => <MeMenu agent={agent} close={close} />}
    </Menu>
  );
}

function MeMenu({ agent, close }: { agent: Agent; close: () => void }) {
  const save = (change: Parameters<typeof saveMe>[0]) => void saveMe(change).catch(complain);
  const waiting = outbox.entries.value.length;
  return (
    <>
      <p class="menu-about">{agent.email}</p>
      <MenuTitle>{t("me.language")}</MenuTitle>
      {LANGUAGES.map(([code, name]) => (
        <Choice key={code} checked={language.value === code} onChoose={() => save({ language: code })}>
          <span lang={code}>{name}</span>
        </Choice>
      ))}
      <MenuTitle>{t("me.theme")}</MenuTitle>
      {THEMES.map((theme) => (
        <Choice key={theme} checked={agent.theme === theme} onChoose={() => save({ theme })}>
          {t(`me.theme.${theme || "system"}`)}
        </Choice>
      ))}
      <hr />
      <MenuAction onChoose={() => (close(), (keysShown.value = true))}>
        <Icon name="keyboard" /> {t("me.keys")} <kbd>?</kbd>
      </MenuAction>
      <MenuAction onChoose={() => void signOut().catch(complain)}>
        <Icon name="log-out" /> {t("me.signout")}
      </MenuAction>
      {waiting > 0 && <p class="menu-about">{t("me.signout.waiting", { n: waiting })}</p>}
    </>
  );
}
