import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../../../shared/i18n";
import { Icon } from "../../../shared/icons";

export function AttachButton({ onFiles }: { onFiles: (files: Iterable<File>) => void }) {
  const input = useRef<HTMLInputElement>(null);
  const chosen = () => {
    const field = input.current!;
    onFiles(Array.from(field.files ?? []));
    // The same file can be chosen again.
    field.value = "";
  };
  return (
    <>
      <button type="button" class="icon-button" aria-label={t("compose.attach")} title={t("compose.attach")} onClick={() => input.current?.click()}>
        <Icon name="paperclip" size={17} />
      </button>
      <input ref={input} type="file" multiple hidden data-attach onChange={chosen} />
    </>
  );
}

/** Files dropped anywhere on the thread; `true` while some are over it. */
export function useDrop(inside: RefObject<HTMLElement>, onFiles: (files: Iterable<File>) => void): boolean {
  const [over, setOver] = useState(false);
  const take = useRef(onFiles);
  take.current = onFiles;

  useEffect(() => {
    const pane = inside.current!.closest<HTMLElement>(".pane")!;
    const hasFiles = (event: DragEvent) => !!event.dataTransfer?.types.includes("Files");
    const enter = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (!pane.contains(event.relatedTarget as Node | null)) setOver(false);
    };
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(false);
      take.current(Array.from(event.dataTransfer!.files));
    };
    const listeners = { dragenter: enter, dragover: enter, dragleave: leave, drop } as const;
    for (const [name, listener] of Object.entries(listeners)) pane.addEventListener(name as "drop", listener);
    return () => {
      for (const [name, listener] of Object.entries(listeners)) pane.removeEventListener(name as "drop", listener);
    };
  }, []);
  return over;
}
