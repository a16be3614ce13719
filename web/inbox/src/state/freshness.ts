/** Which of two copies is newer: the feed tells things in order, a REST answer may be overtaken by it. */

let frames = 0;
const told = new Map<string, number>();

/** A moment, to be taken before a request is made. */
export function now(): number {
  return frames;
}

/** The feed has just told the state of something. */
export function toldByFeed(id: string): void {
  told.set(id, ++frames);
}

/** Whether an answer to a request made at `since` is older than what the feed said meanwhile. */
export function overtaken(id: string, since: number): boolean {
  return (told.get(id) ?? 0) > since;
}
