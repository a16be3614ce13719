import type { Conversation, Person } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import { Avatar, Icon } from "../../../shared/icons";
import { assign } from "../state/actions";
import { agents } from "../state/conversations";
import { online } from "../state/presence";
import { me } from "../state/session";
import { Choice, Menu } from "../ui/menu";
import { firstName } from "../ui/name";

/** Whose conversation this is; the menu gives it to somebody, me first. */
export function AssignMenu({ of }: { of: Conversation }) {
  const who = of.assignee;
  return (
    <Menu
      label={t("list.filter.assignee")}
      edge="end"
      button={(attributes) => (
        <button
          {...attributes}
          id="assign"
          class="button small ghost assign"
          aria-label={who ? t("thread.assign.to", { name: who.name }) : t("thread.assign")}
          title={`${t("thread.assign")} (A)`}
        >
          {who ? <Avatar id={who.id} name={who.name} size={18} /> : <Icon name="user-round" size={15} />}
          <span class="assign-word ellipsis">{who ? firstName(who.name) : t("thread.assign")}</span>
          <Icon name="chevron-down" size={14} />
        </button>
      )}
    >
      {(close) => <Agents of={of} choose={(to) => (close(), void assign(of.id, to))} />}
    </Menu>
  );
}

function Agents({ of, choose }: { of: Conversation; choose: (to: Person | null) => void }) {
  const mine = me.value;
  const others = agents.value.filter((one) => one.id !== mine?.id);
  return (
    <>
      {mine && (
        <Choice checked={of.assignee?.id === mine.id} onChoose={() => choose(mine)}>
          <Avatar id={mine.id} name={mine.name} size={20} />
          {t("thread.assign.me", { name: mine.name })}
        </Choice>
      )}
      {others.map((one) => (
        <Choice key={one.id} checked={of.assignee?.id === one.id} onChoose={() => choose(one)}>
          <span class={one.online || online.value.has(one.id) ? "presence here" : "presence"}>
            <Avatar id={one.id} name={one.name} size={20} />
          </span>
          {one.name}
        </Choice>
      ))}
      <Choice checked={!of.assignee} onChoose={() => choose(null)}>
        <Icon name="user-round-x" size={18} />
        {t("thread.assign.none")}
      </Choice>
    </>
  );
}
