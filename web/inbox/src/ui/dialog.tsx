import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Icon } from "../../../shared/icons";
import { t } from "../../../shared/i18n";

interface DialogProps {
  title: string;
  /** Without it the dialog cannot be left. */
  onClose?: () => void;
  wide?: boolean;
  children: ComponentChildren;
}

/** A modal over the page; the browser keeps the focus inside and gives it back. */
export function Dialog({ title, onClose, wide = false, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const dialog = element.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  const cancel = (event: Event) => {
    event.preventDefault();
    onClose?.();
  };
  return (
    <dialog
      ref={element}
      class={wide ? "dialog wide" : "dialog"}
      aria-labelledby={heading}
      onCancel={cancel}
      onKeyDown={(event) => event.stopPropagation()}
      onClick={(event) => event.target === element.current && onClose?.()}
    >
      <div class="dialog-body">
        <div class="dialog-head">
          <h2 id={heading}>{title}</h2>
          {onClose && (
            <button type="button" class="icon-button" aria-label={t("dialog.close")} onClick={onClose}>
              <Icon name="x" />
            </button>
          )}
        </div>
        {children}
      </div>
    </dialog>
  );
}
