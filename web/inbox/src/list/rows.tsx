import { t } from "../../../shared/i18n";
import { hasMore, loadList, loadMore, more, rows, state } from "../state/list";
import { go, hrefTo, place } from "../state/place";
import { PaneEmpty, PaneError, Skeletons } from "../ui/pane-state";
import { Row } from "./row";

/** The rows, or what stands in their place. */
export function Rows() {
  if (state.value === "error") return <PaneError onRetry={() => void loadList()} />;
  if (!rows.value.length) return state.value === "loading" ? <Skeletons kind="row" count={9} /> : <Empty />;
  return (
    <>
      <ul class="rows">
        {rows.value.map((id) => (
          <Row id={id} key={id} />
        ))}
      </ul>
      {more.value === "loading" && <Skeletons kind="row" count={2} />}
      {hasMore.value && more.value !== "loading" && (
        <button type="button" class="button more" onClick={() => void loadMore()}>
          {t(more.value === "error" ? "err.retry" : "list.more")}
        </button>
      )}
    </>
  );
}

function Empty() {
  const { q, channel, assignee, view, status } = place.value;
  if (q) return <PaneEmpty icon="search" text={t("list.empty.search", { q })} />;
  if (channel || (view === "all" && assignee)) {
    return (
      <PaneEmpty icon="list-filter" text={t("list.empty.filter")}>
        <button type="button" class="button" onClick={() => go({ channel: "", assignee: "" })}>
          {t("list.empty.filter.clear")}
        </button>
      </PaneEmpty>
    );
  }
  if (status === "resolved") return <PaneEmpty icon="circle-check" text={t("list.empty.resolved")} />;
  if (view === "all") return <PaneEmpty icon="message-square" text={t("list.empty.first")} />;
  const other = view === "mine" ? "unassigned" : "all";
  return (
    <PaneEmpty icon="inbox" text={t(view === "mine" ? "list.empty.mine" : "list.empty.unassigned")}>
      <a class="button" href={hrefTo({ view: other })}>
        {t(view === "mine" ? "list.empty.mine.go" : "list.empty.all.go")}
      </a>
    </PaneEmpty>
  );
}
