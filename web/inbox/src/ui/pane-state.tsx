import type { ComponentChildren } from "preact";
import { t } from "../../../shared/i18n";
import { Icon, type IconName } from "../../../shared/icons";

/** A pane that could not be loaded; the rest of the page goes on. */
export function PaneError({ onRetry }: { onRetry: () => void }) {
  return (
    <div class="pane-state" role="alert">
      <p>{t("err.pane")}</p>
      <button type="button" class="button" onClick={onRetry}>
        {t("err.retry")}
      </button>
    </div>
  );
}

/** Nothing to show: one sentence, and one action where there is one. */
export function PaneEmpty({ icon, text, children }: { icon: IconName; text: string; children?: ComponentChildren }) {
  return (
    <div class="pane-state">
      <span class="pane-state-icon">
        <Icon name={icon} size={22} />
      </span>
      <p>{text}</p>
      {children}
    </div>
  );
}

/** Grey rows while a list loads; they appear after 150 ms (CSS), so that quick answers do not flash. */
export function Skeletons({ kind, count }: { kind: "row" | "bubble"; count: number }) {
  return (
    <div class={`skeletons skeletons-${kind}`} aria-busy="true" aria-label={t("loading")} role="status">
      {Array.from({ length: count }, (_, index) => (
        <div class={`skeleton ${kind === "bubble" && index % 3 === 1 ? "mine" : ""}`} key={index}>
          <i class="disc" />
          <i class="line long" />
          <i class="line short" />
        </div>
      ))}
    </div>
  );
}
