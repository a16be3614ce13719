import { useState } from "preact/hooks";
import { api } from "../../../shared/api";
import { clock } from "../../../shared/format";
import { t } from "../../../shared/i18n";
import type { Entry } from "../logic/group";
import { complain } from "../state/toasts";
import { Dialog } from "../ui/dialog";

/** When it came, if that was late, and whether it was changed. */
export function Footnotes({ message }: { message: Entry }) {
  return (
    <>
      {message.late && <span>{t("thread.late", { time: clock(message.created_at) })}</span>}
      {message.edited_at && <Edited message={message} />}
    </>
  );
}

/** "Edited"; a click shows all versions, the oldest first. */
function Edited({ message }: { message: Entry }) {
  const [versions, setVersions] = useState<{ text: string; at: string }[] | null>(null);
  const show = () => void api.versions(message.id).then(({ items }) => setVersions(items), complain);
  return (
    <span>
      <button type="button" class="link quiet" title={t("thread.versions")} onClick={show}>
        {t("thread.edited")}
      </button>
      {versions && (
        <Dialog title={t("thread.versions.title")} onClose={() => setVersions(null)}>
          <ol class="versions">
            {versions.map((one) => (
              <li key={one.at}>
                <small>{t("thread.version", { time: clock(one.at) })}</small>
                <span dir="auto">{one.text}</span>
              </li>
            ))}
          </ol>
        </Dialog>
      )}
    </span>
  );
}
