/** What the sandbox's API says; the shapes are those of `bridge/sandbox/`. */

export type VendorName = "telegram" | "sms" | "whatsapp" | "webchat";
export type Mode = "ok" | "slow" | "429" | "5xx" | "lose" | "down";

export interface Knobs {
  mode: Mode;
  delay: number;
  retry_after: number;
  drop_webhooks: boolean;
  /** When they were turned, RFC 3339; empty: never. */
  since: string;
}

/** The parts of the Bot API's Message that a phone shows. */
export interface BotMessage {
  message_id: number;
  from: { id: number; is_bot: boolean; first_name: string };
  date: number;
  edit_date?: number;
  text?: string;
  caption?: string;
  media_group_id?: string;
  reply_to_message?: BotMessage;
  photo?: BotFile[];
  video?: BotFile;
  animation?: BotFile;
  video_note?: BotFile;
  voice?: BotFile;
  audio?: BotFile;
  document?: BotFile;
  sticker?: BotFile;
  location?: { latitude: number; longitude: number };
  venue?: { title: string; address: string };
  contact?: { first_name: string; phone_number: string };
  poll?: { question: string; options: { text: string }[] };
  dice?: { emoji: string; value: number };
}

export interface BotFile {
  file_id: string;
  file_name?: string;
  file_size?: number;
  width?: number;
  height?: number;
}

export interface TelegramChat {
  id: number;
  name: string;
  type: string;
  blocked: boolean;
  messages: BotMessage[];
}

export interface SmsMessage {
  sid: string;
  body: string;
  direction: "inbound" | "outbound-api" | "outbound-reply";
  status: string;
  error: number | null;
  at: string;
  media: { sid: string; mime: string; name: string }[];
}

export interface SmsPhone {
  number: string;
  opted_out: boolean;
  messages: SmsMessage[];
}

export interface WhatsAppMessage {
  id: string;
  direction: "inbound" | "outbound";
  kind: string;
  text: string;
  status: string;
  error: number | null;
  /** The words of the message that it answers or reacts to. */
  quoted: string;
  card: { title: string; small: string } | null;
  file: { id: string; mime: string; name: string } | null;
  buttons: { id: string; title: string }[];
  at: string;
}

export interface WhatsAppPhone {
  number: string;
  name: string;
  /** Whether less than 24 hours have passed since the customer wrote. */
  open: boolean;
  stopped: boolean;
  messages: WhatsAppMessage[];
}

export interface WireEntry {
  id: number;
  at: string;
  channel: VendorName;
  /** `out`: a call of the gateway; `in`: one to it. */
  direction: "out" | "in";
  call: string;
  /** A status code, or a word where there was no answer. */
  outcome: string;
  note: string;
  ms: number;
  payload: { request: unknown; response: unknown };
}

export interface SandboxState {
  telegram: { name: string; username: string; chats: Record<string, TelegramChat>; knobs: Knobs };
  sms: { number: string; phones: Record<string, SmsPhone>; dead: string[]; knobs: Knobs };
  whatsapp: { name: string; number: string; phones: Record<string, WhatsAppPhone>; dead: string[]; off: string[]; knobs: Knobs };
  webchat: { knobs: Knobs };
  wire: WireEntry[];
}

export type Frame =
  | { type: "wire"; entry: WireEntry }
  | { type: "telegram"; chat: Omit<TelegramChat, "messages">; message: BotMessage | null }
  | { type: "sms"; number: string; opted_out: boolean; message: SmsMessage }
  | { type: "phone"; dead: string[] }
  | { type: "whatsapp"; phone: Omit<WhatsAppPhone, "messages">; message: WhatsAppMessage | null }
  | { type: "whatsapp_phones"; dead: string[]; off: string[] }
  | { type: "typing"; vendor: "telegram"; chat_id: number }
  | { type: "typing"; vendor: "whatsapp"; number: string }
  | { type: "vendor"; vendor: VendorName; knobs: Knobs }
  | { type: "reset" };
