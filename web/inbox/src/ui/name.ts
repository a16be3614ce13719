import type { Person } from "../../../shared/api";
import { phone } from "../../../shared/format";
import { t } from "../../../shared/i18n";

/** What a contact is called: a name, else a number, else what can be said of somebody without either. */
export function nameOf(contact: Person, channel: string | null): string {
  if (contact.name.trim()) return phone(contact.name);
  return channel === "webchat" ? t("contact.visitor") : t("contact.unnamed");
}

/** The name by which somebody is mentioned in passing. */
export function firstName(name: string): string {
  return /^\+?[\d\s]+$/.test(name) ? name : (name.split(/\s+/)[0] ?? name);
}
