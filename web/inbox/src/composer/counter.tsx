import type { Limits } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import { segments } from "../logic/segments";

interface CounterProps {
  text: string;
  over: number;
  limits: Limits | null;
  channel: string;
}

/** What the text costs where it is cut in pieces, or how much of it is too much. */
export function Counter({ text, over, limits, channel }: CounterProps) {
  if (over) {
    return (
      <span class="composer-hint tone-bad" role="status">
        {t("compose.toolong", { n: over, channel })}
      </span>
    );
  }
  if (!limits?.segments || !text.trim()) return null;
  const { used, room, segments: n, culprit } = segments(text.trim());
  return (
    <span class={n > 1 ? "composer-hint tone-warn" : "composer-hint"}>
      {culprit && <span class="composer-culprit">{t("compose.culprit", { char: culprit })}</span>}
      <span class="number">{t("compose.segments", { used, room, n })}</span>
    </span>
  );
}
