import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../../shared/api";
import { t } from "../../../shared/i18n";
import { Icon } from "../../../shared/icons";
import { glance, takeContact } from "../state/conversations";
import { now } from "../state/freshness";
import { changeConversation } from "../state/list";
import { place } from "../state/place";
import { complain } from "../state/toasts";
import { phone } from "../ui/media";

/** The name, edited in place: Enter saves, Esc leaves it. */
export function Name({ id, name, shown }: { id: string; name: string; shown: string }) {
  const [editing, setEditing] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const was = useRef(false);

  useEffect(() => {
    if (editing) field.current?.select();
    else if (was.current) button.current?.focus();
    was.current = editing;
  }, [editing]);

  const save = async (event: Event) => {
    event.preventDefault();
    const next = field.current!.value.trim();
    setEditing(false);
    if (!next || next === name) return;
    const since = now();
    try {
      const contact = await api.rename(id, next);
      takeContact(contact, since);
      const one = glance(place.peek().conversation);
      if (one?.contact.id === id) changeConversation({ ...one, contact: { id, name: contact.name } }, true);
    } catch (problem) {
      complain(problem);
    }
  };

  if (!editing) {
    const Title = phone.value ? "h1" : "h2";
    return (
      <span class="contact-name">
        <Title>{shown}</Title>
        <button ref={button} type="button" class="icon-button small" aria-label={t("contact.name.edit")} title={t("contact.name.edit")} onClick={() => setEditing(true)}>
          <Icon name="pencil" size={14} />
        </button>
      </span>
    );
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    setEditing(false);
  };
  return (
    <form class="contact-edit" onSubmit={(event) => void save(event)} onKeyDown={onKeyDown}>
      <input ref={field} name="name" aria-label={t("contact.name")} defaultValue={name} maxLength={120} autocomplete="off" />
      <span>
        <button type="submit" class="button small primary">{t("contact.name.save")}</button>
        <button type="button" class="button small" onClick={() => setEditing(false)}>{t("contact.name.cancel")}</button>
      </span>
    </form>
  );
}
