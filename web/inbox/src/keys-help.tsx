import { t, type TextKey } from "../../shared/i18n";
import { keysShown } from "./keys";
import { Dialog } from "./ui/dialog";

const KEYS: [string[], TextKey][] = [
  [["J", "K"], "keys.next"],
  [["Enter"], "keys.open"],
  [["Esc"], "keys.leave"],
  [["R"], "keys.reply"],
  [["N"], "keys.note"],
  [["Ctrl Enter"], "keys.send"],
  [["Shift Enter"], "keys.newline"],
  [["Alt 1…4"], "keys.via"],
  [["E"], "keys.resolve"],
  [["A"], "keys.assign"],
  [["I"], "keys.take"],
  [["Z"], "keys.undo"],
  [["/"], "keys.search"],
  [["]"], "keys.contact"],
  [["F6", "Shift F6"], "keys.panes"],
  [["?"], "keys.help"],
];

/** All keys, on `?`. */
export function KeysHelp() {
  if (!keysShown.value) return null;
  return (
    <Dialog title={t("keys.title")} onClose={() => (keysShown.value = false)}>
      <p class="dialog-text">{t("keys.hint")}</p>
      <dl class="keys">
        {KEYS.map(([keys, text]) => (
          <div key={text}>
            <dt>
              {keys.map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{t(text)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
