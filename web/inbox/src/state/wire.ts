import { batch, computed, effect, signal } from "@preact/signals";
import { api } from "../../../shared/api";
import { Live, openLive, type Frame, type LiveState } from "../../../shared/live";
import { agents, business, takeChannels, takeContact } from "./conversations";
import { pushDrafts } from "./drafts";
import { feedBegins } from "./feed";
import { now } from "./freshness";
import { changeConversation, loadList, reloadList, warmUp } from "./list";
import { outbox } from "./sending";
import { listKey, place } from "./place";
import { stopTyping, takePresence, takeTyping } from "./presence";
import { myId, phase, whoAmI } from "./session";
import { dropThreads, takeActivity, takeMessage } from "./threads";

export const connection = signal<LiveState>("connecting");
/** The first connection is not worth a word; losing it is. */
const wasOnline = signal(false);
export const cutOff = computed(() => wasOnline.value && connection.value !== "online" && phase.value === "in");

const live = new Live({ open: openLive, onFrame: takeFrame, onState: takeState });

function takeState(state: LiveState): void {
  connection.value = state;
  if (state === "ended") phase.value = phase.peek() === "loading" ? "out" : "ended";
  if (state !== "online") return;
  if (phase.peek() === "loading") void whoAmI();
  wasOnline.value = true;
  outbox.flush();
  pushDrafts();
  tellViewing();
}

function takeFrame(frame: Frame): void {
  batch(() => {
    if (frame.type === "message") {
      takeMessage(frame.message);
      changeConversation(frame.conversation);
      stopTyping(frame.message.conversation_id, frame.message.author?.id);
    } else if (frame.type === "conversation") changeConversation(frame.conversation);
    else if (frame.type === "activity") {
      takeActivity(frame.activity);
      changeConversation(frame.conversation);
    } else if (frame.type === "contact") {
      takeContact(frame.contact);
    } else if (frame.type === "channels") takeChannels(frame.channels);
    else if (frame.type === "typing") takeTyping(frame.conversation_id, frame.who);
    else if (frame.type === "presence") takePresence(frame.agents, frame.viewing);
    else if (frame.type === "reset") void startOver();
  });
}

/** What happened meanwhile is unknown: everything is asked for again. */
async function startOver(): Promise<void> {
  dropThreads(place.peek().conversation);
  await Promise.all([reloadList(), loadChannels()]).catch(() => undefined);
}

async function loadChannels(): Promise<void> {
  const since = now();
  const found = await api.channels();
  takeChannels(found.items, since);
  business.value = found.business;
}

async function loadAgents(): Promise<void> {
  agents.value = (await api.agents()).items;
}

/** The page does not wait longer than this for the feed before it loads. */
const FEED_FIRST_MS = 1500;

const quietly = (promise: Promise<unknown>) => void promise.catch(() => undefined);

/** Tells colleagues which conversation is looked at, while it is. */
function tellViewing(): void {
  const id = document.visibilityState === "visible" ? place.peek().conversation : "";
  live.send({ type: "viewing", conversation_id: id || null });
}

let typedAt = 0;

/** Tells the customer (where the channel can) and colleagues that I write; at most every 3 s. */
export function tellTyping(conversation: string): void {
  if (Date.now() - typedAt < 3000) return;
  typedAt = Date.now();
  live.send({ type: "typing", conversation_id: conversation });
}

/** Signs out. Drafts and unsent replies stay on this device, for this agent only. */
export async function signOut(): Promise<void> {
  live.stop();
  await api.signOut().finally(() => location.reload());
}

/** Starts the feed, and everything else for the signed-in agent. The feed says whether anybody is signed in:
    asking by REST would put an error into the console of everybody who is not. */
export function startWire(): void {
  let started = false;
  live.start();
  setTimeout(() => phase.peek() === "loading" && void whoAmI(), FEED_FIRST_MS);
  effect(() => {
    if (phase.value !== "in") return;
    outbox.open(myId.peek());
    live.start();
    if (!started) void begin();
    started = true;
  });
  addEventListener("online", () => live.wake());
  addEventListener("offline", () => live.lost());
  addEventListener("pageshow", () => live.wake());
  document.addEventListener("visibilitychange", () => {
    tellViewing();
    if (document.visibilityState === "visible") live.wake();
  });
}

/** The feed tells from before the first answer on, so nothing falls between the two. */
async function begin(): Promise<void> {
  const telling = await onlineWithin(FEED_FIRST_MS);
  feedBegins();
  quietly(loadChannels());
  quietly(loadAgents());
  effect(() => {
    void listKey.value;
    quietly(loadList());
  });
  effect(() => {
    void place.value.conversation;
    tellViewing();
  });
  quietly(warmUp());
  if (!telling) void onlineWithin(Infinity).then(() => quietly(startOver()));
}

/** Whether the feed was there in time. */
function onlineWithin(ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const stop = effect(() => {
      if (connection.value === "online") resolve(true);
    });
    if (ms < Infinity) {
      setTimeout(() => {
        stop();
        resolve(false);
      }, ms);
    }
  });
}
