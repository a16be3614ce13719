import { describe, expect, it } from "vitest";
import { apply } from "../src/state/apply";
import type { BotMessage, Frame, Knobs, SandboxState, WireEntry } from "../src/state/types";

const knobs: Knobs = { mode: "ok", delay: 2, retry_after: 5, drop_webhooks: false, since: "" };
const empty: SandboxState = {
  telegram: { name: "Bottega Lume", username: "bottegalume_bot", chats: {}, knobs },
  sms: { number: "+390546010200", phones: {}, dead: [], knobs },
  whatsapp: { name: "Bottega Lume", number: "+390546010300", phones: {}, dead: [], off: [], knobs },
  webchat: { knobs },
  wire: [],
};
const chat = { id: 1001, name: "Giulia Ferri", type: "private", blocked: false };
const message = (id: number, text: string): BotMessage => ({
  message_id: id,
  from: { id: 1001, is_bot: false, first_name: "Giulia" },
  date: 1,
  text,
});
const entry = (id: number): WireEntry => ({
  id, at: "2026-01-01T10:00:00Z", channel: "sms", direction: "out", call: "POST /Messages.json", outcome: "201",
  note: "", ms: 1, payload: { request: null, response: null },
});

describe("apply", () => {
  it("adds a message to its chat, and replaces it when it comes again", () => {
    const frames: Frame[] = [
      { type: "telegram", chat, message: message(1, "ciao") },
      { type: "telegram", chat, message: message(2, "c'è nessuno?") },
      { type: "telegram", chat, message: message(1, "ciao!") },
    ];
    const { chats } = frames.reduce(apply, empty).telegram;
    expect(chats[1001]?.messages.map((one) => one.text)).toEqual(["ciao!", "c'è nessuno?"]);
  });

  it("keeps the messages when only the chat changes", () => {
    const before = apply(empty, { type: "telegram", chat, message: message(1, "ciao") });
    const after = apply(before, { type: "telegram", chat: { ...chat, blocked: true }, message: null });
    expect(after.telegram.chats[1001]).toMatchObject({ blocked: true, messages: [{ text: "ciao" }] });
  });

  it("follows the states of an SMS", () => {
    const sms = (status: string): Frame => ({
      type: "sms", number: "+39333", opted_out: false,
      message: { sid: "SM1", body: "x", direction: "outbound-api", status, error: null, at: "", media: [] },
    });
    const { phones } = [sms("queued"), sms("delivered")].reduce(apply, empty).sms;
    expect(phones["+39333"]?.messages.map((one) => one.status)).toEqual(["delivered"]);
  });

  it("follows the states of a WhatsApp message, and of its customer", () => {
    const head = { number: "+39333", name: "Marco Bianchi", open: true, stopped: false };
    const whatsapp = (status: string): Frame => ({
      type: "whatsapp", phone: head,
      message: {
        id: "wamid.1", direction: "outbound", kind: "text", text: "x", status, error: null, quoted: "", card: null, file: null,
        buttons: [], at: "",
      },
    });
    const told = [whatsapp("sent"), whatsapp("delivered"), { type: "whatsapp", phone: { ...head, open: false }, message: null } as Frame];
    const after = apply(told.reduce(apply, empty), { type: "whatsapp_phones", dead: [], off: ["+39333"] }).whatsapp;
    expect(after.phones["+39333"]).toMatchObject({ open: false, messages: [{ status: "delivered" }] });
    expect(after.off).toEqual(["+39333"]);
    expect(apply({ ...empty, whatsapp: after }, { type: "reset" })).toEqual(empty);
  });

  it("keeps no endless wire", () => {
    const frames = Array.from({ length: 600 }, (_, id): Frame => ({ type: "wire", entry: entry(id) }));
    const { wire } = frames.reduce(apply, empty);
    expect(wire).toHaveLength(500);
    expect(wire[499]?.id).toBe(599);
  });

  it("turns only the vendor that was turned", () => {
    const after = apply(empty, { type: "vendor", vendor: "sms", knobs: { ...knobs, mode: "down" } });
    expect([after.sms.knobs.mode, after.telegram.knobs.mode]).toEqual(["down", "ok"]);
  });

  it("forgets messages on a reset, and keeps who the vendors are", () => {
    const full = apply(apply(empty, { type: "telegram", chat, message: message(1, "x") }), { type: "wire", entry: entry(1) });
    expect(apply(full, { type: "reset" })).toEqual(empty);
  });
});
