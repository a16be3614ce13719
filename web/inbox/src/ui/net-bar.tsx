import { useEffect, useState } from "preact/hooks";
import { t } from "../../../shared/i18n";
import { Icon } from "../../../shared/icons";
import { cutOff } from "../state/wire";

const GRACE_MS = 600;
const BACK_MS = 2000;

/** Says that the connection is gone, and for a moment that it is back. Short gaps are not worth a word. */
export function NetBar() {
  const [shown, setShown] = useState<"" | "offline" | "back">("");
  const cut = cutOff.value;
  useEffect(() => {
    if (cut) {
      const timer = setTimeout(() => setShown("offline"), navigator.onLine ? GRACE_MS : 0);
      return () => clearTimeout(timer);
    }
    setShown((before) => (before === "offline" ? "back" : before));
    const timer = setTimeout(() => setShown(""), BACK_MS);
    return () => clearTimeout(timer);
  }, [cut]);
  return (
    <div class="net" role="status" aria-live="polite">
      {shown && (
        <p class={`net-bar net-${shown}`}>
          <Icon name={shown === "offline" ? "wifi-off" : "check"} />
          {t(shown === "offline" ? "net.offline" : "net.back")}
        </p>
      )}
    </div>
  );
}
