import { useState } from "preact/hooks";
import { api } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import type { Entry } from "../logic/group";
import { act } from "../state/actions";
import { outbox } from "../state/sending";
import { copy } from "../ui/clipboard";
import { Dialog } from "../ui/dialog";
import { waitsLong } from "./states";

/** What can be done about a reply that did not simply arrive. */
export function ReplyActions({ message }: { message: Entry }) {
  if (message.local) return message.local.state === "sending" ? null : <LocalActions message={message} />;
  switch (message.status) {
    case "rejected":
    case "failed":
    case "expired":
      return (
        <span class="state-actions">
          <RetryLink message={message} />
          {message.text && <CopyLink text={message.text} />}
        </span>
      );
    case "queued":
      if (!waitsLong(message)) return null;
      return (
        <span class="state-actions">
          <button type="button" class="link" onClick={() => void act(() => api.cancel(message.id))}>
            {t("state.cancel")}
          </button>
        </span>
      );
    default:
      return null;
  }
}

/** Whatever may have arrived is not sent again without a question. */
function RetryLink({ message }: { message: Entry }) {
  const [asking, setAsking] = useState(false);
  const retry = () => void act(() => api.retry(message.id));
  return (
    <>
      <button type="button" class="link" onClick={message.may_be_there ? () => setAsking(true) : retry}>
        {t("state.retry")}
      </button>
      {asking && <AskAgain onSend={retry} onClose={() => setAsking(false)} />}
    </>
  );
}

/** The message has not reached the server: it can be tried again or taken back. */
function LocalActions({ message }: { message: Entry }) {
  const id = message.client_id!;
  return (
    <span class="state-actions">
      {message.local!.state === "refused" && (
        <button type="button" class="link" onClick={() => outbox.retry(id)}>
          {t("state.retry")}
        </button>
      )}
      {message.text && <CopyLink text={message.text} />}
      <button type="button" class="link" onClick={() => outbox.discard(id)}>
        {t(message.local!.state === "refused" ? "state.discard" : "state.cancel")}
      </button>
    </span>
  );
}

function CopyLink({ text }: { text: string }) {
  return (
    <button type="button" class="link" onClick={() => void copy(text)}>
      {t("state.copy")}
    </button>
  );
}

/** Nobody knows whether it arrived: the agent decides, and sending again asks once. */
export function UnknownBox({ message }: { message: Entry }) {
  const [asking, setAsking] = useState(false);
  const again = () => void act(() => api.settle(message.id, "again"));
  return (
    <div class="unknown" role="group" aria-label={t("state.unknown")}>
      <span>{t("state.unknown")}</span>
      <button type="button" class="button small" onClick={() => void act(() => api.settle(message.id, "arrived"))}>
        {t("unknown.yes")}
      </button>
      <button type="button" class="button small" onClick={() => setAsking(true)}>
        {t("unknown.again")}
      </button>
      {asking && <AskAgain onSend={again} onClose={() => setAsking(false)} />}
    </div>
  );
}

function AskAgain({ onSend, onClose }: { onSend: () => void; onClose: () => void }) {
  const send = () => {
    onClose();
    onSend();
  };
  return (
    <Dialog title={t("unknown.confirm.title")} onClose={onClose}>
      <p class="dialog-text">{t("unknown.confirm")}</p>
      <div class="dialog-buttons">
        <button type="button" class="button" autofocus onClick={onClose}>
          {t("dialog.cancel")}
        </button>
        <button type="button" class="button" onClick={send}>
          {t("unknown.again")}
        </button>
      </div>
    </Dialog>
  );
}
