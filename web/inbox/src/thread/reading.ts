import { useEffect } from "preact/hooks";
import { conversation } from "../state/conversations";
import { markRead, thread } from "../state/threads";

const READ_AFTER_MS = 1000;

/** A conversation is read when its newest message was on screen, in a focused window, for a second. */
export function useReading(id: string): void {
  const unread = conversation(id)?.unread ?? 0;
  const last = conversation(id)?.last_seq ?? 0;
  useEffect(() => {
    if (!unread) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const check = () => {
      clearTimeout(timer);
      timer = setTimeout(() => (inSight(id) ? void markRead(id) : check()), READ_AFTER_MS);
    };
    check();
    return () => clearTimeout(timer);
  }, [id, unread, last]);
}

function inSight(id: string): boolean {
  if (!document.hasFocus() || document.visibilityState !== "visible") return false;
  const messages = thread(id).messages.peek();
  const seq = messages[messages.length - 1]?.seq;
  const log = document.querySelector(".log");
  const newest = log?.querySelector(`[data-seq="${seq}"]`);
  if (!log || !newest || !thread(id).atEnd.peek()) return false;
  const { top, bottom, height } = log.getBoundingClientRect();
  return height > 0 && newest.getBoundingClientRect().top < bottom && newest.getBoundingClientRect().bottom > top;
}
