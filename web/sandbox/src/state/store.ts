import { computed, signal } from "@preact/signals";
import { api, liveUrl } from "./api";
import { apply } from "./apply";
import type { Frame, Knobs, SandboxState } from "./types";

export const TELEGRAM_PEOPLE = [
  { id: 1001, name: "Giulia Ferri" },
  { id: 1002, name: "Luca Marini" },
  { id: 1003, name: "Sara Conti" },
];
export const SMS_PEOPLE = [
  { id: "+393331234567", name: "Marco Bianchi" },
  { id: "+393487654321", name: "Elena Greco" },
  { id: "+393290001122", name: "Davide Riva" },
];

/** Marco has the same number on both: the address says which phone is meant. */
export const WHATSAPP_PEOPLE = [
  { id: "whatsapp:+393471112233", number: "+393471112233", name: "Chiara Longo" },
  { id: "whatsapp:+393331234567", number: "+393331234567", name: "Marco Bianchi" },
  { id: "whatsapp:+393384445566", number: "+393384445566", name: "Pietro Galli" },
];

export type Tab = "telegram" | "sms" | "whatsapp" | "shop" | "inbox" | "wire";

const calm: Knobs = { mode: "ok", delay: 2, retry_after: 5, drop_webhooks: false, since: "" };

export const state = signal<SandboxState>({
  telegram: { name: "", username: "", chats: {}, knobs: calm },
  sms: { number: "", phones: {}, dead: [], knobs: calm },
  whatsapp: { name: "", number: "", phones: {}, dead: [], off: [], knobs: calm },
  webchat: { knobs: calm },
  wire: [],
});
export const connected = signal<"connecting" | "online" | "offline">("connecting");
export const onTelegram = signal(1001);
export const onSms = signal("+393331234567");
export const onWhatsApp = signal(WHATSAPP_PEOPLE[0]!.id);
/** Who has messages that were not looked at, by chat id, number or address. */
export const unseen = signal<Record<string, number>>({});
/** Chats in which an agent is writing, until when; by chat id or address. */
export const typing = signal<Record<string | number, number>>({});
export const tab = signal<Tab>("telegram");
export const agent = signal("anna");
/** Counts up whenever the pages in the frames must load anew. */
export const frames = signal(0);
export const signedIn = signal(false);

export const anythingBroken = computed(() =>
  [state.value.telegram.knobs, state.value.sms.knobs, state.value.whatsapp.knobs, state.value.webchat.knobs].some(
    (knobs) => knobs.mode !== "ok" || knobs.drop_webhooks,
  ),
);

const TYPING_MS = 5_000;
const AGAIN_MS = 1_000;

export async function signIn(who: string): Promise<void> {
  await api.signIn(who);
  agent.value = who;
  signedIn.value = true;
  frames.value++;
}

/** Follows the stand-ins; after a lost connection everything is loaded anew. */
export function follow(): void {
  const socket = new WebSocket(liveUrl());
  let loaded = false;
  const early: Frame[] = [];
  socket.onopen = async () => {
    try {
      state.value = early.splice(0).reduce(apply, await api.state());
      loaded = true;
      connected.value = "online";
    } catch {
      socket.close();
    }
  };
  socket.onmessage = (event) => {
    const frame = JSON.parse(String(event.data)) as Frame;
    if (loaded) receive(frame);
    else early.push(frame);
  };
  socket.onclose = () => {
    connected.value = "offline";
    setTimeout(follow, AGAIN_MS);
  };
}

function receive(frame: Frame): void {
  state.value = apply(state.value, frame);
  if (frame.type === "typing") {
    const chat = frame.vendor === "telegram" ? frame.chat_id : `whatsapp:${frame.number}`;
    typing.value = { ...typing.value, [chat]: Date.now() + TYPING_MS };
    setTimeout(() => (typing.value = { ...typing.value }), TYPING_MS + 50);
  } else if (frame.type === "telegram" && frame.message?.from.is_bot && !frame.message.edit_date) {
    typing.value = { ...typing.value, [frame.chat.id]: 0 };
    if (frame.chat.id !== onTelegram.value) miss(frame.chat.id);
  } else if (frame.type === "sms" && frame.message.direction !== "inbound" && frame.message.status === "delivered") {
    if (frame.number !== onSms.value) miss(frame.number);
  } else if (frame.type === "whatsapp" && frame.message?.direction === "outbound" && frame.message.status === "delivered") {
    const who = `whatsapp:${frame.phone.number}`;
    typing.value = { ...typing.value, [who]: 0 };
    if (who !== onWhatsApp.value) miss(who);
  } else if (frame.type === "reset") {
    unseen.value = {};
  }
}

function miss(who: string | number): void {
  unseen.value = { ...unseen.value, [who]: (unseen.value[who] ?? 0) + 1 };
}

export function look(who: string | number): void {
  unseen.value = { ...unseen.value, [who]: 0 };
}
