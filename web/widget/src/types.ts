/** What the gateway says to a visitor's page. The source is `VisitorMessage` in bridge/views.py. */

export interface Attachment {
  id: string;
  kind: "image" | "video" | "animation" | "audio" | "voice" | "document" | "sticker";
  name: string;
  mime: string;
  size: number | null;
  width?: number | null;
  height?: number | null;
  state: "pending" | "stored" | "failed" | "too_big";
  url: string;
}

export interface Message {
  id: string;
  /** Only grows along the thread, and orders it. */
  seq: number;
  mine: boolean;
  kind: string;
  text: string;
  attachments: Attachment[];
  status: string;
  author: string;
  client_id: string | null;
  created_at: string;
}

/** A piece of the thread, oldest first. */
export interface Page {
  items: Message[];
  /** Whether older messages come before the items; null where the piece is only news. */
  more: boolean | null;
  /** The team has read the visitor's own messages up to this `seq`. */
  read: number;
}

export interface Session {
  visitor_id: string;
  token: string;
  business: string;
  limits: { text: number; file_size: number };
}
