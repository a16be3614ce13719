import { useSignalEffect } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Thread } from "../state/threads";

/** So near the end counts as reading the newest. */
const END_PX = 60;
/** So near the edge of what is loaded the next page is asked for. */
const EDGE_PX = 500;

/** Keeps what the reader looks at where it is: at the end it follows, elsewhere nothing moves. */
export function useScroll(scroller: RefObject<HTMLDivElement>, thread: Thread) {
  const [away, setAway] = useState(false);
  const [unseen, setUnseen] = useState(false);
  const pinned = useRef(true);
  /** The message at the top of the window and where it stands, to put it back after a page came above. */
  const anchor = useRef<{ seq: string; top: number } | null>(null);
  const lastSeq = useRef(0);
  /** How large window and content were when it was last known where the reader is. */
  const sizes = useRef("");

  useLayoutEffect(() => {
    const log = scroller.current!;
    const start = log.querySelector<HTMLElement>("#new");
    if (start) log.scrollTop = start.offsetTop - 80;
    else log.scrollTop = log.scrollHeight;
    measure();
    const keep = new ResizeObserver(() => {
      if (pinned.current) log.scrollTop = log.scrollHeight;
      sizes.current = sizesOf(log);
    });
    keep.observe(log);
    keep.observe(log.firstElementChild!);
    return () => keep.disconnect();
  }, [thread]);

  const measure = () => {
    const log = scroller.current!;
    const left = log.scrollHeight - log.scrollTop - log.clientHeight;
    pinned.current = left < END_PX && thread.atEnd.peek();
    if (pinned.current) setUnseen(false);
    setAway(!pinned.current && (left > log.clientHeight || !thread.atEnd.peek()));
    sizes.current = sizesOf(log);
    remember(log);
    return left;
  };

  const remember = (log: HTMLElement) => {
    const top = log.getBoundingClientRect().top;
    const element = Array.from(log.querySelectorAll<HTMLElement>("[data-seq]")).find(
      (one) => one.getBoundingClientRect().bottom > top,
    );
    anchor.current = element ? { seq: element.dataset.seq!, top: element.getBoundingClientRect().top } : null;
  };

  const onScroll = () => {
    // The browser tells of a scroll a frame later: the thread may have been left meanwhile.
    if (!scroller.current) return;
    // And the composer may have grown: that is no scrolling of the reader's, and the observer puts it right.
    if (pinned.current && sizes.current !== sizesOf(scroller.current)) return;
    const left = measure();
    if (scroller.current.scrollTop < EDGE_PX) void thread.older();
    if (left < EDGE_PX) void thread.newer();
    if (pinned.current) thread.trim();
  };

  /** Puts what was at the top of the window back there, unless the end is followed. */
  const settle = () => {
    const log = scroller.current!;
    const held = anchor.current;
    const element = held && log.querySelector(`[data-seq="${held.seq}"]`);
    if (pinned.current) {
      log.scrollTop = log.scrollHeight;
      sizes.current = sizesOf(log);
    } else if (element) log.scrollTop += element.getBoundingClientRect().top - held.top;
    if (log.scrollTop < EDGE_PX) void thread.older();
  };

  useSignalEffect(() => {
    const messages = thread.messages.value;
    const last = messages[messages.length - 1];
    const grew = (last?.seq ?? 0) > lastSeq.current;
    lastSeq.current = last?.seq ?? 0;
    if (grew && last?.direction === "inbound" && !pinned.current) setUnseen(true);
  });

  useLayoutEffect(settle);

  useEffect(() => {
    if (unseen && !away) setAway(true);
  }, [unseen, away]);

  const toEnd = () => {
    void thread.toEnd().then(() => {
      pinned.current = true;
      const log = scroller.current;
      if (log) log.scrollTop = log.scrollHeight;
    });
  };

  return { away, unseen, onScroll, toEnd };
}

function sizesOf(log: HTMLElement): string {
  return `${log.clientHeight} ${log.scrollHeight}`;
}
