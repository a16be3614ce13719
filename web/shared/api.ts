/** The API's nouns and verbs. The types mirror `bridge/views.py`; times are RFC 3339 UTC strings. */

export type MediaKind = "image" | "video" | "animation" | "audio" | "voice" | "document" | "sticker";
export type Status =
  | "received" | "queued" | "sending" | "sent" | "delivered" | "read"
  | "rejected" | "failed" | "expired" | "unknown" | "noted";

export interface Person {
  id: string;
  name: string;
}

export interface Limits {
  text: number;
  caption: number;
  files: number;
  file_size: number;
  highest: "sent" | "delivered" | "read";
  segments: boolean;
}

export interface Channel {
  id: number;
  type: string;
  label: string;
  identity: string;
  state: "up" | "degraded" | "down" | "recovering" | "setup";
  detail: string;
  incident: { id: string; started_at: string } | null;
  limits: Limits;
}

export interface Address {
  id: string;
  urn: string;
  channel: string;
  channel_id: number;
  handle: string;
  state: "open" | "blocked" | "opted_out" | "invalid";
  verified: boolean;
  consent_source: string;
  consent_at: string | null;
  last_inbound_at: string | null;
  /** Empty, or why a reply cannot go there. */
  usable: string;
}

export interface Contact {
  id: string;
  name: string;
  created_at: string;
  addresses: Address[];
}

export interface Attachment {
  id: string;
  kind: MediaKind;
  name: string;
  mime: string;
  size: number | null;
  width: number | null;
  height: number | null;
  duration: number | null;
  state: "pending" | "stored" | "failed" | "too_big";
  url: string;
}

export interface Quote {
  seq: number | null;
  text: string;
  author: string;
}

export interface Message {
  id: string;
  conversation_id: string;
  seq: number;
  direction: "inbound" | "outbound" | "note";
  kind: string;
  channel: string | null;
  channel_id: number | null;
  text: string;
  data: Record<string, unknown>;
  attachments: Attachment[];
  status: Status;
  reason: string;
  author: Person | null;
  client_id: string | null;
  reply_to: Quote | null;
  created_at: string;
  provider_at: string | null;
  edited_at: string | null;
  late: boolean;
  /** A reply that did not go, as far as is known: the customer may have it, or a part of it. */
  may_be_there: boolean;
}

export interface Preview {
  seq: number;
  direction: Message["direction"];
  kind: string;
  text: string;
  status: Status;
  author: string;
  attachments: number;
}

export interface Route {
  address_id: string;
  channel: string;
  channel_id: number;
  handle: string;
  /** Empty, or why it cannot be used. */
  blocked: string;
}

export interface Conversation {
  id: string;
  contact: Person;
  status: "open" | "snoozed" | "resolved";
  assignee: Person | null;
  channel: string | null;
  route: Route | null;
  unread: number;
  unsettled: number;
  last_seq: number;
  last_message: Preview | null;
  last_message_at: string;
  waiting_since: string | null;
  created_at: string;
}

export interface ConversationDetail extends Conversation {
  drafts: { reply?: string; note?: string };
}

export interface Activity {
  id: string;
  conversation_id: string;
  after_seq: number;
  kind: "assigned" | "unassigned" | "resolved" | "reopened" | "settled" | "address";
  by: Person | null;
  data: Record<string, unknown>;
  at: string;
}

export interface Agent {
  id: string;
  email: string;
  name: string;
  role: "admin" | "agent";
  language: "" | "en" | "it";
  theme: "" | "light" | "dark";
}

export interface Colleague {
  id: string;
  name: string;
  email: string;
  role: Agent["role"];
  online: boolean;
}

export interface UploadedFile {
  id: string;
  name: string;
  mime: string;
  kind: MediaKind;
  size: number;
  url: string;
}

export interface Counts {
  mine: number;
  unassigned: number;
  all: number;
  resolved: number;
}

export interface ConversationPage {
  items: Conversation[];
  next_cursor: string | null;
  counts: Counts;
}

export interface NewMessage {
  text: string;
  kind: "reply" | "note";
  client_id: string;
  attachments?: string[];
  reply_to?: number;
  via?: string;
}

/** What the server answers when it does not do what was asked (RFC 9457). */
export interface ProblemBody {
  title?: string;
  detail?: string;
  fields?: { field: string; problem: string }[];
  retry_after?: number;
  limit?: number;
  /** A word for why an address cannot be used, for the page to put into a sentence. */
  reason?: string;
}

/** A refusal: `status` 0 means that the server was not reached. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly body: ProblemBody = {},
  ) {
    super(body.detail || body.title || `HTTP ${status}`);
  }

  /** Whether the same request may succeed later without a change. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** Called whenever the server says that the session is over. */
export const onSignedOut: { handler: () => void } = { handler: () => undefined };

const PATIENCE_MS = 20_000;

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const request: RequestInit = { method, signal: AbortSignal.timeout(PATIENCE_MS), credentials: "same-origin" };
  if (body !== undefined) {
    request.body = JSON.stringify(body);
    request.headers = { "Content-Type": "application/json" };
  }
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, request);
    text = await response.text();
  } catch {
    throw new Problem(0);
  }
  if (response.ok) return (text ? JSON.parse(text) : undefined) as T;
  if (response.status === 401 && path !== "/api/session") onSignedOut.handler();
  throw new Problem(response.status, problemBody(text));
}

/** A proxy in between may answer with a page of its own instead of problem+json. */
export function problemBody(text: string): ProblemBody {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null ? body : {};
  } catch {
    return {};
  }
}

function query(values: Record<string, string | number | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}

const conversation = (id: string) => `/api/conversations/${encodeURIComponent(id)}`;
const message = (id: string) => `/api/messages/${encodeURIComponent(id)}`;

export type ConversationQuery = {
  status?: string;
  channel?: string;
  assignee?: string;
  q?: string;
  cursor?: string;
  limit?: number;
};

export const api = {
  setup: () => call<{ needed: boolean }>("GET", "/api/setup"),
  firstAgent: (body: { token: string; email: string; name: string; password: string }) =>
    call<{ agent: Agent }>("POST", "/api/setup", body),
  signIn: (email: string, password: string) => call<{ agent: Agent }>("POST", "/api/session", { email, password }),
  signOut: () => call<void>("DELETE", "/api/session"),
  me: () => call<Agent>("GET", "/api/me"),
  saveMe: (change: Partial<Pick<Agent, "name" | "language" | "theme">>) => call<Agent>("PATCH", "/api/me", change),
  agents: () => call<{ items: Colleague[] }>("GET", "/api/agents"),
  channels: () => call<{ items: Channel[]; business: string }>("GET", "/api/channels"),

  conversations: (of: ConversationQuery) => call<ConversationPage>("GET", `/api/conversations${query(of)}`),
  conversation: (id: string) => call<ConversationDetail>("GET", conversation(id)),
  change: (id: string, change: { status?: "open" | "resolved"; assignee_id?: string | null }) =>
    call<Conversation>("PATCH", conversation(id), change),
  read: (id: string, seq: number) => call<Conversation>("POST", `${conversation(id)}/read`, { seq }),
  messages: (id: string, of: { after?: number; before?: number; limit?: number } = {}) =>
    call<{ items: Message[] }>("GET", `${conversation(id)}/messages${query(of)}`),
  activity: (id: string) => call<{ items: Activity[] }>("GET", `${conversation(id)}/activity`),
  send: (id: string, body: NewMessage) => call<Message>("POST", `${conversation(id)}/messages`, body),
  saveDraft: (id: string, kind: "reply" | "note", text: string) =>
    call<void>("PUT", `${conversation(id)}/draft`, { kind, text }),

  versions: (id: string) => call<{ items: { text: string; at: string }[] }>("GET", `${message(id)}/versions`),
  settle: (id: string, as: "arrived" | "again") => call<Message>("POST", `${message(id)}/settle`, { as }),
  retry: (id: string) => call<Message>("POST", `${message(id)}/retry`, {}),
  cancel: (id: string) => call<Message>("POST", `${message(id)}/cancel`, {}),

  contact: (id: string) => call<Contact>("GET", `/api/contacts/${encodeURIComponent(id)}`),
  rename: (id: string, name: string) => call<Contact>("PATCH", `/api/contacts/${encodeURIComponent(id)}`, { name }),
};
