import { useEffect, useRef } from "preact/hooks";
import { t } from "../../../shared/i18n";
import { Icon } from "../../../shared/icons";
import { Me } from "../side/me";
import { SearchField } from "../side/search-field";
import { VIEWS } from "../side/side-bar";
import { counts } from "../state/conversations";
import { held, hold, loadMore, settle } from "../state/list";
import { hrefTo, listKey, place } from "../state/place";
import { Guard } from "../ui/guard";
import { phone } from "../ui/media";
import { FilterChips, FilterMenu } from "./filters";
import { Rows } from "./rows";

/** How near the end of the list the next page is asked for. */
const NEAR_PX = 600;

/** The list of conversations with its views, tabs and filters. */
export function ListPane() {
  const scroller = useRef<HTMLDivElement>(null);
  const { view, q } = place.value;
  const title = q ? t("list.search.results", { q }) : t(`view.${view}`);

  useEffect(() => scroller.current?.scrollTo(0, 0), [listKey.value]);

  const onScroll = () => {
    const { scrollHeight, scrollTop, clientHeight } = scroller.current!;
    if (scrollHeight - scrollTop - clientHeight < NEAR_PX) void loadMore();
  };

  return (
    <section class="pane list" id="conversations" role={phone.value ? "main" : undefined} aria-label={t("list.label")} tabIndex={-1}>
      <header class="pane-head">
        <h1>{phone.value && !q ? t("list.label") : title}</h1>
        <span class="grow" />
        <FilterMenu />
        {phone.value && <Me side="down" edge="end" />}
      </header>
      {phone.value && <SearchField />}
      {phone.value ? <Scopes /> : !q && <Tabs />}
      <FilterChips />
      <div
        class="rows-scroll"
        ref={scroller}
        onScroll={onScroll}
        onPointerEnter={(event) => event.pointerType === "mouse" && hold(true)}
        onPointerLeave={() => hold(false)}
      >
        <HeldPill toTop={() => scroller.current?.scrollTo({ top: 0 })} />
        <Guard>
          <Rows />
        </Guard>
      </div>
    </section>
  );
}

/** What came while the pointer was over the list. */
function HeldPill({ toTop }: { toTop: () => void }) {
  const count = held.value.size;
  if (!count) return null;
  const show = () => {
    settle();
    toTop();
  };
  return (
    <button type="button" class="pill held" onClick={show}>
      <Icon name="arrow-up" size={14} />
      {t("list.new", { n: count })}
    </button>
  );
}

function Tabs() {
  const { status, view } = place.value;
  const open = counts.value?.[view];
  return (
    <div class="tabs" role="group" aria-label={t("tab.label")}>
      {(["open", "resolved"] as const).map((one) => (
        <a
          class="tab"
          key={one}
          href={hrefTo({ status: one, conversation: "", contact: false })}
          aria-current={status === one ? "true" : undefined}
        >
          {t(`tab.${one}`)}
          {one === "open" && open !== undefined && <b>{open}</b>}
        </a>
      ))}
    </div>
  );
}

/** The views, where there is no side bar. */
function Scopes() {
  return (
    <nav class="scopes" aria-label={t("nav.views")}>
      {VIEWS.map(({ view }) => (
        <a
          key={view}
          href={hrefTo({ view, q: "", assignee: "" })}
          aria-current={place.value.view === view && !place.value.q ? "page" : undefined}
        >
          {t(`view.${view}`)} <b>{counts.value?.[view] ?? ""}</b>
        </a>
      ))}
    </nav>
  );
}
