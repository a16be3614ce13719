import { t } from "../../../shared/i18n";
import { Icon } from "../../../shared/icons";
import { closeToast, toast, undoLast } from "../state/toasts";

/** What just happened, for 8 s, with the way back. */
export function ToastView() {
  const shown = toast.value;
  return (
    <div class="toasts" role="status" aria-live="polite">
      {shown && (
        <div class={`toast toast-${shown.tone}`} key={shown.id}>
          <Icon name={shown.tone === "bad" ? "circle-alert" : "check"} />
          <span>{shown.text}</span>
          {shown.undo && (
            <button type="button" class="toast-undo" onClick={undoLast}>
              {t("toast.undo")} <kbd>Z</kbd>
            </button>
          )}
          <button type="button" class="toast-close" aria-label={t("toast.close")} onClick={closeToast}>
            <Icon name="x" size={15} />
          </button>
        </div>
      )}
    </div>
  );
}
