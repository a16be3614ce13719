/** Where the reader is in the log: at its end and kept there, or further up and left alone. */

import type { Entry } from "../entries";

export class Scroll {
  /** Something new is below what the reader sees. */
  below = false;
  private box: HTMLElement | undefined;
  private atEnd = true;
  private height = 0;
  private first: string | undefined;
  private last: string | undefined;

  constructor(private readonly changed: () => void) {}

  readonly watch = (box: HTMLElement): void => {
    this.box = box;
    this.atEnd = true;
    box.onscroll = () => this.moved();
    // A picture grew to its size: stay at the end.
    box.addEventListener("load", () => this.atEnd && this.toEnd(), true);
  };

  readonly toEnd = (): void => {
    this.box!.scrollTop = this.box!.scrollHeight;
  };

  private moved(): void {
    const box = this.box!;
    this.atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 48;
    if (!this.atEnd || !this.below) return;
    this.below = false;
    this.changed();
  }

  /** After the log was drawn. What the reader looks at never moves; own messages are always shown. */
  settle(entries: Entry[]): void {
    const box = this.box!;
    const [first, last] = [entries[0]?.key, entries.at(-1)];
    const added = last?.key !== this.last;
    if (this.atEnd || (added && last?.mine)) this.toEnd();
    else if (first !== this.first) box.scrollTop += box.scrollHeight - this.height;
    else if (added && !this.below) {
      this.below = true;
      this.changed();
    }
    this.height = box.scrollHeight;
    this.first = first;
    this.last = last?.key;
  }
}
