import { useState } from "preact/hooks";
import { Dialog } from "../../../inbox/src/ui/dialog";
import { language } from "../../../shared/i18n";
import { ChannelBadge } from "../../../shared/icons";
import { state } from "../state/store";
import type { VendorName, WireEntry } from "../state/types";
import { took, tone } from "../state/wire";
import { s } from "../text";
import { Arrow } from "./glyphs";

const CHANNELS: VendorName[] = ["telegram", "sms", "whatsapp", "webchat"];
const SHOWN = 200;

/** Every call, newest first; a row opens what was said. */
export function WireLog() {
  const [only, setOnly] = useState<VendorName | "">("");
  const [open, setOpen] = useState<WireEntry | null>(null);
  const entries = state.value.wire.filter((entry) => !only || entry.channel === only).slice(-SHOWN).reverse();
  return (
    <section class="wire" aria-label={s("wire")}>
      <header class="wire-head">
        <h2>{s("wire")}</h2>
        <span class="wire-about ellipsis">{s("wire.about")}</span>
        <label class="wire-filter">
          <span class="sr">{s("wire.filter")}</span>
          <select value={only} onChange={(event) => setOnly(event.currentTarget.value as VendorName | "")}>
            <option value="">{s("wire.all")}</option>
            {CHANNELS.map((name) => <option key={name} value={name}>{s(`vendor.${name}`)}</option>)}
          </select>
        </label>
      </header>
      <div class="wire-rows" tabIndex={0} role="group" aria-label={s("wire.about")}>
        {entries.length === 0 && <p class="wire-empty">{s("wire.empty")}</p>}
        <table>
          <colgroup>
            <col class="col-time" /><col class="col-channel" /><col class="col-arrow" /><col class="col-call" />
            <col class="col-outcome" /><col class="col-note" /><col class="col-took" />
          </colgroup>
          <thead class="sr">
            <tr>
              <th scope="col">{s("wire.time")}</th><th scope="col">{s("wire.channel")}</th><th scope="col">{s("wire.direction")}</th>
              <th scope="col">{s("wire.call")}</th><th scope="col">{s("wire.outcome")}</th><th scope="col">{s("wire.note")}</th>
              <th scope="col">{s("wire.took")}</th>
            </tr>
          </thead>
          <tbody>
            {entries.map((entry) => <Row key={entry.id} entry={entry} onOpen={() => setOpen(entry)} />)}
          </tbody>
        </table>
      </div>
      {open && <Payload entry={open} onClose={() => setOpen(null)} />}
    </section>
  );
}

function Row({ entry, onOpen }: { entry: WireEntry; onOpen: () => void }) {
  const label = s(`vendor.${entry.channel}`);
  return (
    <tr onClick={onOpen}>
      <td class="wire-time number">{seconds(entry.at)}</td>
      <td class="wire-channel"><ChannelBadge type={entry.channel} label={label} size={16} /><span class="sr">{label}</span></td>
      <td class="wire-arrow"><Arrow direction={entry.direction} label={s(`wire.${entry.direction}`)} /></td>
      <td class="wire-call">
        <button type="button" aria-label={s("wire.open", { call: entry.call, outcome: entry.outcome })} onClick={(event) => { event.stopPropagation(); onOpen(); }}>
          {entry.call}
        </button>
      </td>
      <td class="wire-outcome"><span class={`chip outcome-${tone(entry.outcome)}`}>{entry.outcome}</span></td>
      <td class="wire-note"><span>{entry.note}</span></td>
      <td class="wire-took number">{took(entry.ms, language.value)}</td>
    </tr>
  );
}

function Payload({ entry, onClose }: { entry: WireEntry; onClose: () => void }) {
  return (
    <Dialog title={entry.call} wide onClose={onClose}>
      <div class="payload">
        <p class="payload-facts">
          <ChannelBadge type={entry.channel} label={s(`vendor.${entry.channel}`)} size={16} />
          {s(`vendor.${entry.channel}`)} · {s(`wire.${entry.direction}`)}
          <span class={`chip outcome-${tone(entry.outcome)}`}>{entry.outcome}</span>
          <span class="number">{took(entry.ms, language.value)}</span>
        </p>
        <Said title={s("payload.request")} text={pretty(entry.payload.request)} />
        <Said title={s("payload.response")} text={pretty(entry.payload.response) || silence(entry)} />
      </div>
    </Dialog>
  );
}

function Said({ title, text }: { title: string; text: string }) {
  if (!text) return null;
  return (
    <>
      <h3>{title}</h3>
      <pre tabIndex={0}>{text}</pre>
    </>
  );
}

/** An answer without words has a status; without one there was none. */
function silence(entry: WireEntry): string {
  return /^\d/.test(entry.outcome) ? "" : s("payload.none");
}

/** `14:42:07`: calls follow each other closely. */
function seconds(at: string): string {
  return new Date(at).toLocaleTimeString("it-IT", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

function pretty(value: unknown): string {
  if (value === null || value === undefined || value === "") return "";
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
