import type { BotMessage, Frame, SandboxState, SmsMessage, WhatsAppMessage } from "./types";

/** As many as the server keeps, and no more: a sandbox may be left open for days. */
const WIRE = 500;

/** The state after a frame. Frames may come twice: what has the same id replaces itself. */
export function apply(state: SandboxState, frame: Frame): SandboxState {
  switch (frame.type) {
    case "wire":
      return { ...state, wire: upsert(state.wire, frame.entry, (entry) => entry.id).slice(-WIRE) };
    case "telegram": {
      const known = state.telegram.chats[frame.chat.id]?.messages ?? [];
      const messages = frame.message ? upsert(known, frame.message, (one: BotMessage) => one.message_id) : known;
      const chats = { ...state.telegram.chats, [frame.chat.id]: { ...frame.chat, messages } };
      return { ...state, telegram: { ...state.telegram, chats } };
    }
    case "sms": {
      const known = state.sms.phones[frame.number]?.messages ?? [];
      const messages = upsert(known, frame.message, (one: SmsMessage) => one.sid);
      const phone = { number: frame.number, opted_out: frame.opted_out, messages };
      return { ...state, sms: { ...state.sms, phones: { ...state.sms.phones, [frame.number]: phone } } };
    }
    case "phone":
      return { ...state, sms: { ...state.sms, dead: frame.dead } };
    case "whatsapp": {
      const known = state.whatsapp.phones[frame.phone.number]?.messages ?? [];
      const messages = frame.message ? upsert(known, frame.message, (one: WhatsAppMessage) => one.id) : known;
      const phones = { ...state.whatsapp.phones, [frame.phone.number]: { ...frame.phone, messages } };
      return { ...state, whatsapp: { ...state.whatsapp, phones } };
    }
    case "whatsapp_phones":
      return { ...state, whatsapp: { ...state.whatsapp, dead: frame.dead, off: frame.off } };
    case "vendor":
      return { ...state, [frame.vendor]: { ...state[frame.vendor], knobs: frame.knobs } };
    case "reset":
      return {
        ...state,
        telegram: { ...state.telegram, chats: {} },
        sms: { ...state.sms, phones: {}, dead: [] },
        whatsapp: { ...state.whatsapp, phones: {}, dead: [], off: [] },
        wire: [],
      };
    case "typing":
      return state;
  }
}

function upsert<T>(list: T[], item: T, id: (item: T) => string | number): T[] {
  const at = list.findIndex((one) => id(one) === id(item));
  return at < 0 ? [...list, item] : list.map((one, index) => (index === at ? item : one));
}
