import type { Conversation } from "../../../shared/api";
import { t, type TextKey } from "../../../shared/i18n";
import { en } from "../../../shared/text.en";

/** The line of a list row: a word that stands out, and the text after it. */
export interface Line {
  tone: "typing" | "draft" | "failed" | "unknown" | "waiting" | "plain";
  lead: string;
  text: string;
  /** The kind whose icon stands before the text. */
  kind: string;
}

export interface Around {
  typing: string | null;
  draft: string;
  /** The newest reply that is still only on this device. */
  unsent: { text: string; refused: boolean; problem: string } | null;
  me: string;
}

const plain = (lead: string, text: string, kind = ""): Line => ({ tone: "plain", lead, text, kind });

/** What a row says; first match wins: typing, draft, failed, unknown, waiting, attachment, "You:", text. */
export function line(of: Conversation, around: Around): Line {
  const last = of.last_message;
  if (around.typing) return { tone: "typing", lead: t("row.typing", { name: around.typing }), text: "", kind: "" };
  if (around.draft.trim()) return { tone: "draft", lead: t("row.draft"), text: around.draft, kind: "" };
  if (around.unsent?.refused) return { tone: "failed", lead: t("row.failed"), text: around.unsent.problem, kind: "" };
  if (last && (last.status === "failed" || last.status === "rejected" || last.status === "expired")) {
    return { tone: "failed", lead: t("row.failed"), text: last.text, kind: "" };
  }
  if (of.unsettled > 0) return { tone: "unknown", lead: t("row.unknown"), text: last?.text ?? "", kind: "" };
  if (around.unsent) return { tone: "waiting", lead: t("row.waits"), text: around.unsent.text, kind: "" };
  if (!last) return plain("", t("row.empty"));
  if (last.direction === "note") return plain(t("row.note"), last.text);
  const kind = kindOf(last.kind, last.attachments);
  const text = [kind && kindName(kind, last.attachments), last.text].filter(Boolean).join(" ");
  if (last.direction === "inbound") return plain("", text, kind);
  return plain(last.author && last.author !== around.me ? t("row.author", { name: last.author }) : t("row.you"), text, kind);
}

function kindOf(kind: string, attachments: number): string {
  if (kind === "text") return attachments > 0 ? "document" : "";
  return kind;
}

/** The kind of a message in words; several files are counted. */
export function kindName(kind: string, files = 1): string {
  if (files > 1) return t("kind.files", { n: files });
  return `kind.${kind}` in en ? t(`kind.${kind}` as TextKey) : t("kind.unsupported");
}
