import { language } from "../../../shared/i18n";
import { ChannelBadge } from "../../../shared/icons";
import { api } from "../state/api";
import { state } from "../state/store";
import type { Mode, VendorName } from "../state/types";
import { lastCall, took, tone } from "../state/wire";
import { s } from "../text";
import { tell } from "./problem";

const MODES: Mode[] = ["ok", "slow", "429", "5xx", "lose", "down"];
const STEPS: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** A vendor's switch: how it behaves now, and what came of the last call. */
export function VendorCard({ vendor }: { vendor: VendorName }) {
  const { knobs } = state.value[vendor];
  const label = s(`vendor.${vendor}`);
  const turn = (mode: Mode) => void api.turn(vendor, mode).catch(tell);
  const step = (event: KeyboardEvent) => {
    const by = STEPS[event.key];
    if (!by) return;
    event.preventDefault();
    const next = MODES[(MODES.indexOf(knobs.mode) + by + MODES.length) % MODES.length]!;
    turn(next);
    (event.currentTarget as HTMLElement).querySelector<HTMLElement>(`[data-mode="${next}"]`)?.focus();
  };
  return (
    <section class="vendor" aria-label={label}>
      <div class="vendor-head">
        <ChannelBadge type={vendor} label={label} size={18} />
        <b>{label}</b>
        <Last vendor={vendor} />
      </div>
      <div class="modes" role="radiogroup" aria-label={label} onKeyDown={step}>
        {MODES.map((mode) => (
          <button
            key={mode}
            type="button"
            role="radio"
            data-mode={mode}
            class={mode === "ok" ? "" : mode === "down" ? "mode-bad" : "mode-warn"}
            aria-checked={knobs.mode === mode}
            tabIndex={knobs.mode === mode ? 0 : -1}
            title={why(mode, vendor)}
            onClick={() => turn(mode)}
          >
            {s(`mode.${mode}`)}
          </button>
        ))}
      </div>
      {vendor === "webchat" ? (
        <p class="vendor-why">{why(knobs.mode, vendor)}</p>
      ) : (
        <Drop vendor={vendor} mode={knobs.mode} on={knobs.drop_webhooks} />
      )}
    </section>
  );
}

function why(mode: Mode, vendor: VendorName): string {
  if (mode === "down" && vendor === "webchat") return s("why.down.webchat");
  if (mode === "429" && vendor === "whatsapp") return s("why.429.whatsapp");
  return s(`why.${mode}`);
}

function Drop({ vendor, mode, on }: { vendor: Exclude<VendorName, "webchat">; mode: Mode; on: boolean }) {
  const what = vendor === "sms" ? s("drop") : s("drop.hold");
  return (
    <label class="drop" title={s(`drop.why.${vendor}`)}>
      <input
        type="checkbox"
        role="switch"
        checked={on}
        aria-label={s("drop.name", { what, vendor: s(`vendor.${vendor}`) })}
        onChange={(event) => void api.turn(vendor, mode, event.currentTarget.checked).catch(tell)}
      />
      <span aria-hidden="true">{what}</span>
    </label>
  );
}

function Last({ vendor }: { vendor: VendorName }) {
  const { wire } = state.value;
  const { knobs } = state.value[vendor];
  if (knobs.mode === "down") return <span class="vendor-last tone-bad">{s(vendor === "webchat" ? "noanswer" : "refuses")}</span>;
  const entry = lastCall(wire, vendor);
  if (!entry) return <span class="vendor-last">{s("idle")}</span>;
  const grade = tone(entry.outcome);
  if (grade !== "ok") return <span class={`vendor-last tone-${grade}`}>{entry.outcome === "cut" ? s("noanswer") : entry.outcome}</span>;
  return <span class={`vendor-last number ${entry.ms >= 1000 ? "tone-warn" : ""}`}>{took(entry.ms, language.value)}</span>;
}
