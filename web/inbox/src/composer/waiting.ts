import { effect } from "@preact/signals";
import type { Tab } from "../state/drafts";
import { tray as trayOf, type Tray } from "../state/uploads";
import { writing } from "./writing";

/** The files of a conversation's reply, or of its note. */
export function tray(id: string, tab: Tab): Tray {
  return trayOf(`${id} ${tab}`);
}

/** Sends once the files are there, wherever the agent is by then; at once if they are. What fails, and
    whatever the agent changes meanwhile (`keepWriting`), stops it. */
export function whenFilesAreThere(id: string, tab: Tab, send: () => void): void {
  const { quote, via, ...of } = writing(id);
  const waits = of.waits[tab];
  const files = tray(id, tab);
  if (!files.busy.peek()) return send();
  if (waits.peek()) return;
  waits.value = true;
  const [quoted, chosen] = [quote.peek(), via.peek()];
  const changed = () => quote.value !== quoted || via.value !== chosen;
  const stop = effect(() => {
    if (!waits.value || changed() || files.blocked.value || !files.busy.value) queueMicrotask(end);
  });
  const end = () => {
    stop();
    if (!waits.peek()) return;
    waits.value = false;
    if (!changed() && !files.blocked.peek()) send();
  };
}

/** The message is not finished after all. */
export function keepWriting(id: string, tab: Tab): void {
  writing(id).waits[tab].value = false;
}
