import type { Mode, SandboxState, VendorName } from "./types";

const BASE = "/sandbox/api/";

export interface FileIn {
  name: string;
  mime: string;
  data: string;
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const request: RequestInit = { method, credentials: "same-origin" };
  if (body !== undefined) {
    request.body = JSON.stringify(body);
    request.headers = { "Content-Type": "application/json" };
  }
  const response = await fetch(BASE + path, request);
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return (text ? JSON.parse(text) : undefined) as T;
}

export const api = {
  signIn: (agent: string) => call("POST", "sign-in", { agent }),
  state: () => call<SandboxState>("GET", "state"),
  telegram: (said: { chat_id: number; text?: string; kind?: string; file?: FileIn }) => call("POST", "telegram/say", said),
  sms: (said: { from: string; text?: string; kind?: string; media?: FileIn[] }) => call("POST", "sms/say", said),
  whatsapp: (said: { from: string; text?: string; kind?: string; file?: FileIn }) => call("POST", "whatsapp/say", said),
  whatsappLook: (number: string) => call("POST", "whatsapp/look", { number }),
  whatsappLapse: (number: string) => call("POST", "whatsapp/lapse", { number }),
  whatsappPhone: (number: string, on: boolean) => call("PUT", "whatsapp/phone", { number, on }),
  phone: (number: string, error: number | null) => call("PUT", "sms/phone", { number, error }),
  turn: (vendor: VendorName, mode: Mode, drop?: boolean) =>
    call("PUT", `vendor/${vendor}`, drop === undefined ? { mode } : { mode, drop_webhooks: drop }),
  restore: () => call("POST", "restore"),
  clear: () => call("POST", "clear"),
};

export const fileUrl = {
  telegram: (id: string) => `${BASE}telegram/files/${encodeURIComponent(id)}`,
  whatsapp: (id: string) => `${BASE}whatsapp/files/${encodeURIComponent(id)}`,
  sms: (id: string) => `${BASE}sms/files/${encodeURIComponent(id)}`,
};

export function liveUrl(): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${BASE}live`;
}

/** A file of this device, as the controls take it. */
export function readFile(file: File): Promise<FileIn> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onerror = () => reject(reader.error ?? new Error("unreadable"));
    reader.onload = () => resolve({ name: file.name, mime: file.type, data: String(reader.result).replace(/^.*?,/, "") });
    reader.readAsDataURL(file);
  });
}
