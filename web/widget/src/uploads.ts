/** The visitor's files on their way up: shown at once, kept over a reload, sent once. */

import { type Api, Refused } from "./api";
import { Blobs } from "./keep";
import type { Waiting } from "./outbox";

export interface Upload {
  file: Blob;
  /** 0 to 1. */
  part: number;
  stop: AbortController;
}

/** A file that no tab has after so long, in ms, is lost. */
const ORPHANED = 60_000;
/** The picture types that every browser shows and the gateway calls pictures. */
const SHOWN = ["image/jpeg", "image/png", "image/webp", "image/gif"];

/** By client id of the message that a file belongs to. */
export class Uploads {
  /** Own pictures of this page's life, as object URLs: shown at once and never fetched. */
  readonly previews = new Map<string, string>();
  private readonly held = new Map<string, Upload>();
  private readonly blobs: Blobs;
  private readonly recovered: Promise<void>;

  constructor(
    space: string,
    waiting: Waiting[],
    private readonly changed: () => void,
  ) {
    this.blobs = new Blobs(space);
    this.recovered = this.recover(waiting);
  }

  get(id: string): Upload | undefined {
    return this.held.get(id);
  }

  add(id: string, file: Blob): void {
    this.hold(id, file);
    void this.blobs.put(id, file);
  }

  /** Upload the file of a message; its id at the gateway, or undefined when another tab has the file. */
  async send(api: Api, { id, at, file }: Waiting): Promise<string | undefined> {
    await this.recovered;
    const upload = this.held.get(id);
    if (!upload) {
      if (Date.now() - at > ORPHANED) throw new Refused(410, 0);
      return undefined;
    }
    const progress = (part: number): void => {
      upload.part = part;
      this.changed();
    };
    const stored = await api.upload(upload.file, file!.name, progress, upload.stop.signal);
    if (upload.stop.signal.aborted) throw new TypeError("taken back");
    return stored.id;
  }

  /** The message is stored, or taken back: let its file go. */
  release(id: string): void {
    this.held.get(id)?.stop.abort();
    if (this.held.delete(id)) void this.blobs.drop(id);
  }

  /** Files that a reload interrupted. */
  private async recover(waiting: Waiting[]): Promise<void> {
    for (const { id, file } of waiting) {
      const blob = file && (await this.blobs.get(id));
      if (blob) this.hold(id, blob);
    }
    this.changed();
  }

  private hold(id: string, file: Blob): void {
    if (SHOWN.includes(file.type)) this.previews.set(id, URL.createObjectURL(file));
    this.held.set(id, { file, part: 0, stop: new AbortController() });
  }
}
