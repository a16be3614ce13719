import { ChannelBadge, Icon } from "../../../shared/icons";
import { t } from "../../../shared/i18n";
import { byType } from "../side/channel-filters";
import { agents, channelName, channels } from "../state/conversations";
import { go, place } from "../state/place";
import { phone } from "../ui/media";
import { Choice, Menu, MenuTitle } from "../ui/menu";

/** Status (on phones), channel and assignee of the list. */
export function FilterMenu() {
  const { channel, assignee, status, view } = place.value;
  const active = !!(channel || (view === "all" && assignee));
  return (
    <Menu
      label={t("list.filter")}
      edge="end"
      button={(attributes) => (
        <button {...attributes} class={active ? "icon-button active" : "icon-button"} aria-label={t("list.filter")} title={t("list.filter")}>
          <Icon name="list-filter" size={17} />
        </button>
      )}
    >
      {(close) => {
        const choose = (change: Parameters<typeof go>[0]) => (close(), go({ ...change, q: "", conversation: "", contact: false }));
        return (
          <>
            {phone.value && <MenuTitle>{t("tab.label")}</MenuTitle>}
            {phone.value &&
              (["open", "resolved"] as const).map((one) => (
                <Choice key={one} checked={status === one} onChoose={() => choose({ status: one })}>
                  {t(`tab.${one}`)}
                </Choice>
              ))}
            <MenuTitle>{t("list.filter.channel")}</MenuTitle>
            <Choice checked={!channel} onChoose={() => choose({ channel: "" })}>
              {t("list.filter.anychannel")}
            </Choice>
            {byType(channels.value ?? []).map(({ type }) => (
              <Choice key={type} checked={channel === type} onChoose={() => choose({ channel: type })}>
                <ChannelBadge type={type} label={channelName(type)} size={16} />
                {channelName(type)}
              </Choice>
            ))}
            {view === "all" && <MenuTitle>{t("list.filter.assignee")}</MenuTitle>}
            {view === "all" && (
              <Choice checked={!assignee} onChoose={() => choose({ assignee: "" })}>
                {t("list.filter.anyone")}
              </Choice>
            )}
            {view === "all" &&
              agents.value.map(({ id, name }) => (
                <Choice key={id} checked={assignee === id} onChoose={() => choose({ assignee: id })}>
                  {name}
                </Choice>
              ))}
          </>
        );
      }}
    </Menu>
  );
}

/** What narrows the list, each with its own way out. */
export function FilterChips() {
  const { channel, assignee, status, view, q } = place.value;
  const chips: { name: string; off: () => void }[] = [];
  if (q) return null;
  if (phone.value && status === "resolved") chips.push({ name: t("tab.resolved"), off: () => go({ status: "open" }) });
  if (channel) chips.push({ name: channelName(channel), off: () => go({ channel: "" }) });
  if (assignee && view === "all") {
    chips.push({ name: agents.value.find((one) => one.id === assignee)?.name ?? assignee, off: () => go({ assignee: "" }) });
  }
  if (!chips.length) return null;
  return (
    <div class="filter-chips">
      {chips.map(({ name, off }) => (
        <button type="button" class="chip removable" key={name} onClick={off} aria-label={t("list.filter.remove", { name })}>
          {name}
          <Icon name="x" size={12} />
        </button>
      ))}
    </div>
  );
}
