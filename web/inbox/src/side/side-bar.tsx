import { Logo } from "../../../shared/icons";
import { t } from "../../../shared/i18n";
import { business, counts } from "../state/conversations";
import { hrefTo, place, type View } from "../state/place";
import { Icon, type IconName } from "../../../shared/icons";
import { ChannelFilters } from "./channel-filters";
import { Me } from "./me";
import { SearchField } from "./search-field";

export const VIEWS: { view: View; icon: IconName }[] = [
  { view: "mine", icon: "inbox" },
  { view: "unassigned", icon: "user-round-x" },
  { view: "all", icon: "list" },
];

/** Views and channels; on narrow pages a rail of icons. */
export function SideBar() {
  return (
    <nav class="side" aria-label={t("nav.label")}>
      <div class="side-brand">
        <Logo />
        <b>{business}</b>
      </div>
      <SearchField />
      <ul class="side-list" aria-label={t("nav.views")}>
        {VIEWS.map((one) => (
          <ViewLink {...one} key={one.view} />
        ))}
      </ul>
      <ChannelFilters />
      <Me />
    </nav>
  );
}

function ViewLink({ view, icon }: { view: View; icon: IconName }) {
  const name = t(`view.${view}`);
  const here = place.value.view === view && !place.value.q;
  const count = counts.value?.[view] ?? 0;
  return (
    <li>
      <a
        class="side-link"
        href={hrefTo({ view, status: "open", q: "", assignee: "", conversation: "", contact: false })}
        aria-current={here ? "page" : undefined}
        data-tip={name}
      >
        <Icon name={icon} size={17} />
        <span class="side-name">{name}</span>
        {count > 0 && <span class="side-count">{count}</span>}
      </a>
    </li>
  );
}
