import type { Activity, Channel, Contact, Conversation, Message } from "../../shared/api";

/** A message for tests; only what matters is said. */
export function message(change: Partial<Message> = {}): Message {
  const seq = change.seq ?? 1;
  return {
    id: `m${seq}`, conversation_id: "c", seq, direction: "inbound", kind: "text", channel: "telegram", channel_id: 1, text: `text ${seq}`,
    data: {}, attachments: [], status: "received", reason: "", author: null, client_id: null, reply_to: null,
    created_at: "2026-11-22T12:00:00.000Z", provider_at: null, edited_at: null, late: false, may_be_there: false, ...change,
  };
}

/** A conversation for tests. */
export function conversation(change: Partial<Conversation> = {}): Conversation {
  return {
    id: "c", contact: { id: "k", name: "Giulia Ferri" }, status: "open", assignee: null, channel: "telegram", route: null, unread: 0,
    unsettled: 0, last_seq: 1, last_message: null, last_message_at: "2026-11-22T12:00:00.000Z", waiting_since: null,
    created_at: "2026-11-22T12:00:00.000Z", ...change,
  };
}

/** A channel for tests. */
export function channel(change: Partial<Channel> = {}): Channel {
  const limits: Channel["limits"] = { text: 4096, caption: 1024, files: 1, file_size: 1, highest: "read", segments: false };
  return { id: 1, type: "whatsapp", label: "WhatsApp", identity: "", state: "up", detail: "", incident: null, limits, ...change };
}

/** A contact for tests. */
export function person(change: Partial<Contact> = {}): Contact {
  return { id: "k", name: "Giulia Ferri", created_at: "2026-11-22T12:00:00.000Z", addresses: [], ...change };
}

/** An activity for tests. */
export function activity(change: Partial<Activity> = {}): Activity {
  return { id: "a", conversation_id: "c", after_seq: 1, kind: "resolved", by: null, data: {}, at: "2026-11-22T12:00:30.000Z", ...change };
}
