/** What the widget says. Calm, short, no exclamation marks but in the greeting; Italian says "tu". */

const en = {
  open: "Open chat",
  close: "Close chat",
  hide: "Close",
  unread: (n: number) => `${n} unread`,
  label: "Chat with us",
  title: "Chat",
  greet: "Hi! How can we help?",
  stays: "You can close this page: the conversation stays here.",
  log: "Messages",
  write: "Write a message",
  send: "Send",
  attach: "Attach a file",
  drop: "Drop to attach",
  earlier: "Earlier messages",
  jump: "New messages",
  team: "Team",
  typing: (name: string) => (name ? `${name} is typing` : "Typing"),
  sending: "Sending",
  waiting: "Waiting",
  sent: "Sent",
  delivered: "Delivered",
  read: "Read",
  failed: "Not sent.",
  again: "Try again",
  remove: "Remove",
  cancel: "Cancel",
  dismiss: "Dismiss",
  offline: "You are offline. Messages leave as soon as you are back.",
  connecting: "Connecting",
  tooLong: (n: number) => `${n} character${n > 1 ? "s" : ""} too many`,
  tooBig: (size: string) => `Files can have up to ${size}.`,
  slow: "That was a lot at once: the rest leaves in a moment.",
  unsupported: "This kind of message cannot be shown yet.",
  file: "File",
  picture: "Picture",
  fileLost: "Not available",
};

const it: typeof en = {
  open: "Apri la chat",
  close: "Chiudi la chat",
  hide: "Chiudi",
  unread: (n) => (n === 1 ? "1 non letto" : `${n} non letti`),
  label: "Scrivici in chat",
  title: "Chat",
  greet: "Ciao! Come possiamo aiutarti?",
  stays: "Puoi chiudere questa pagina: la conversazione resta qui.",
  log: "Messaggi",
  write: "Scrivi un messaggio",
  send: "Invia",
  attach: "Allega un file",
  drop: "Rilascia per allegare",
  earlier: "Messaggi precedenti",
  jump: "Nuovi messaggi",
  team: "Staff",
  typing: (name) => (name ? `${name} sta scrivendo` : "Sta scrivendo"),
  sending: "Invio in corso",
  waiting: "In attesa",
  sent: "Inviato",
  delivered: "Consegnato",
  read: "Letto",
  failed: "Non inviato.",
  again: "Riprova",
  remove: "Elimina",
  cancel: "Annulla",
  dismiss: "Nascondi",
  offline: "Sei senza connessione. I messaggi partono appena torna.",
  connecting: "Connessione in corso",
  tooLong: (n) => `${n} caratter${n > 1 ? "i" : "e"} di troppo`,
  tooBig: (size) => `I file possono avere fino a ${size}.`,
  slow: "Tanti messaggi in poco tempo: gli altri partono tra un attimo.",
  unsupported: "Questo tipo di messaggio non si può ancora mostrare.",
  file: "File",
  picture: "Immagine",
  fileLost: "Non disponibile",
};

export type Words = typeof en;
export type Lang = "en" | "it";

export const words: Record<Lang, Words> = { en, it };

/** The first of these language tags that the widget speaks; English where it speaks none. */
export function pickLang(...tags: readonly (string | null | undefined)[]): Lang {
  const known = tags.map((tag) => tag?.toLowerCase().split("-")[0]);
  return known.find((lang): lang is Lang => lang === "en" || lang === "it") ?? "en";
}
