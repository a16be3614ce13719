import { computed, signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Channel } from "../../../shared/api";
import { clock, date, daysAgo } from "../../../shared/format";
import { t } from "../../../shared/i18n";
import { Icon } from "../../../shared/icons";
import { ended, outageOf, signature, type Outage } from "../logic/outage";
import { channels } from "../state/conversations";
import { hrefTo } from "../state/place";
import { phone } from "./media";
import { because } from "./reasons";

const HIDDEN = "bridge.outage.hidden";
const ENDED_MS = 10_000;

const hidden = signal(localStorage.getItem(HIDDEN) ?? "");
const outage = computed(() => {
  const found = outageOf(channels.value ?? []);
  return found && signature(found) !== hidden.value ? found : null;
});

function hide(what: Outage): void {
  hidden.value = signature(what);
  localStorage.setItem(HIDDEN, hidden.value);
}

/** Says above the panes that a channel is down, coming back, or for a moment that it works again. */
export function OutageBar() {
  const now = outage.value;
  const well = useEnded();
  return (
    <div class="outage" role="status" aria-live="polite">
      {now ? (
        <div class={`outage-bar outage-${now.is}`}>
          <Icon name={now.is === "needs" ? "circle-alert" : "triangle-alert"} size={18} />
          <Words of={now} />
          {now.channels.length === 1 && (
            <a
              class="button small"
              href={hrefTo({ channel: now.channels[0]!.type, q: "", conversation: "", contact: false })}
              aria-label={t("out.show")}
            >
              {t(phone.value ? "out.show.short" : "out.show")}
            </a>
          )}
          <button type="button" class="icon-button small" aria-label={t("out.hide")} title={t("out.hide")} onClick={() => hide(now)}>
            <Icon name="x" size={16} />
          </button>
        </div>
      ) : well ? (
        <div class="outage-bar outage-ended">
          <Icon name="check" size={18} />
          <p><b>{t("out.end", { channel: well.label })}</b></p>
        </div>
      ) : null}
    </div>
  );
}

function Words({ of }: { of: Outage }) {
  const [first] = of.channels;
  const channel = first!.label;
  if (of.is === "needs") return <p><b>{t("out.needs", { channel, why: because(first!.detail, first!.type) })}</b></p>;
  if (of.is === "recovering") return <p><b>{t("out.recovering", { channel })}</b> <span>{t("out.recovering.waits")}</span></p>;
  return <p><b>{down(of.channels)}</b> <span>{t("out.waits")}</span></p>;
}

function down(all: Channel[]): string {
  const [first] = all;
  if (all.length > 1) return t("out.banner.several", { n: all.length, channels: all.map((one) => one.label).join(", ") });
  const { started_at } = first!.incident!;
  const values = { channel: first!.label, time: clock(started_at), date: date(started_at) };
  return t(daysAgo(started_at) ? "out.banner.date" : "out.banner", values);
}

/** The channel that works again, for as long as that is news. */
function useEnded(): Channel | null {
  const all = channels.value;
  const before = useRef<Channel[]>([]);
  const [well, setWell] = useState<Channel | null>(null);
  useEffect(() => {
    const found = ended(before.current, all ?? [])[0];
    before.current = all ?? [];
    if (found) setWell(found);
  }, [all]);
  useEffect(() => {
    if (!well) return;
    const timer = setTimeout(() => setWell(null), ENDED_MS);
    return () => clearTimeout(timer);
  }, [well]);
  return well;
}
