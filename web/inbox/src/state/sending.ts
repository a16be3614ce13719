import { batch } from "@preact/signals";
import { api, type Address, type Attachment, type Contact, type Conversation, type Quote, type UploadedFile } from "../../../shared/api";
import { uuid7 } from "../../../shared/ids";
import { glance } from "./conversations";
import { saveDraft, type Tab } from "./drafts";
import { now } from "./freshness";
import { Outbox, type Pending } from "./outbox";
import { phase } from "./session";
import { takeMessage } from "./threads";

export const outbox = new Outbox({ storage: localStorage, send: deliver });

async function deliver(pending: Pending): Promise<void> {
  // Once the session is over the browser may have another agent's, from another tab.
  if (phase.peek() !== "in") throw new Error("nobody is signed in here");
  const since = now();
  const message = await api.send(pending.conversation_id, pending.body);
  batch(() => {
    takeMessage(message, since);
    outbox.discard(pending.body.client_id);
  });
}

export interface Draft {
  tab: Tab;
  text: string;
  files: UploadedFile[];
  /** The chosen address, where it is not the route. */
  via: Address | null;
  quote: (Quote & { seq: number }) | null;
}

/** Puts a message on its way. Its bubble is there at once; the draft is gone, here and on the server. */
export function sendDraft(conversation: string, draft: Draft): void {
  const route = glance(conversation)?.route;
  outbox.add({
    conversation_id: conversation,
    body: {
      text: draft.text,
      kind: draft.tab,
      client_id: uuid7(),
      ...(draft.files.length && { attachments: draft.files.map((file) => file.id) }),
      ...(draft.via && draft.via.id !== route?.address_id && { via: draft.via.id }),
      ...(draft.quote && { reply_to: draft.quote.seq }),
    },
    at: new Date().toISOString(),
    state: "waiting",
    problem: "",
    channel: draft.tab === "note" ? null : (draft.via?.channel ?? route?.channel ?? null),
    attachments: draft.files.map(asAttachment),
    quote: draft.quote,
  });
  saveDraft(conversation, draft.tab, "");
}

function asAttachment(file: UploadedFile): Attachment {
  return { ...file, width: null, height: null, duration: null, state: "stored" };
}

/** The address that a reply takes: the chosen one, else the route. */
export function routeOf(conversation: Conversation, contact: Contact | null, chosen: string): Address | null {
  const wanted = chosen || conversation.route?.address_id;
  return contact?.addresses.find((one) => one.id === wanted) ?? null;
}
