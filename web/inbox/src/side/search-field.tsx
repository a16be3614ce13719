import { useEffect, useRef } from "preact/hooks";
import { t } from "../../../shared/i18n";
import { Icon } from "../../../shared/icons";
import { go, place } from "../state/place";

const WAIT_MS = 250;

/** Searches names, numbers and messages while typing. */
export function SearchField() {
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const q = place.value.q;

  useEffect(() => {
    if (field.current && document.activeElement !== field.current) field.current.value = q;
  }, [q]);

  const search = (text: string) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => go({ q: text.trim(), conversation: "", contact: false }, !!place.peek().q), WAIT_MS);
  };
  const clear = () => {
    clearTimeout(timer.current);
    if (field.current) field.current.value = "";
    field.current?.focus();
    go({ q: "" });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !field.current?.value) return;
    event.preventDefault();
    event.stopPropagation();
    clear();
  };

  return (
    <div class="search" role="search">
      <Icon name="search" />
      <input
        ref={field}
        id="search"
        type="search"
        aria-label={t("list.search")}
        placeholder={t("list.search")}
        defaultValue={q}
        autocomplete="off"
        onInput={(event) => search(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      {q ? (
        <button type="button" class="search-clear" aria-label={t("list.search.clear")} onClick={clear}>
          <Icon name="x" size={14} />
        </button>
      ) : (
        <kbd aria-hidden="true">/</kbd>
      )}
    </div>
  );
}
