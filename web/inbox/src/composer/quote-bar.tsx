import type { Signal } from "@preact/signals";
import type { Quote } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import { Icon } from "../../../shared/icons";

/** The message that the reply answers. */
export function QuoteBar({ quote }: { quote: Signal<(Quote & { seq: number }) | null> }) {
  const shown = quote.value;
  if (!shown) return null;
  return (
    <div class="quote-bar">
      <span class="ellipsis">
        {shown.author && <b>{shown.author} </b>}
        {shown.text}
      </span>
      <button type="button" class="icon-button small" aria-label={t("compose.quote.remove")} onClick={() => (quote.value = null)}>
        <Icon name="x" size={15} />
      </button>
    </div>
  );
}
