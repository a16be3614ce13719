import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { Problem, type Limits, type UploadedFile } from "../../../shared/api";
import { size } from "../../../shared/format";
import { t } from "../../../shared/i18n";
import { upload } from "../../../shared/upload";

/** A file in the composer. */
export interface Item {
  key: number;
  file: File;
  progress: Signal<number>;
  state: Signal<"uploading" | "done" | "failed" | "refused">;
  problem: string;
  uploaded: UploadedFile | null;
  cancel: () => void;
}

const lists = new Map<string, Tray>();
let count = 0;

/** The files that wait beside the text of one conversation. */
export class Tray {
  readonly items = signal<Item[]>([]);
  readonly busy: ReadonlySignal<boolean> = computed(() => this.items.value.some((one) => one.state.value === "uploading"));
  readonly blocked: ReadonlySignal<boolean> = computed(() =>
    this.items.value.some((one) => one.state.value === "failed" || one.state.value === "refused"),
  );

  /** Takes files in; what the channel cannot carry is refused before anything is sent. */
  add(files: Iterable<File>, limits: Limits | null, channel: string): void {
    for (const file of files) {
      const item = this.make(file, refusal(file, this.items.peek().length, limits, channel));
      this.items.value = [...this.items.peek(), item];
      if (item.state.peek() === "uploading") void this.start(item);
    }
  }

  remove(item: Item): void {
    item.cancel();
    this.items.value = this.items.peek().filter((one) => one !== item);
  }

  retry(item: Item): void {
    item.state.value = "uploading";
    void this.start(item);
  }

  clear(): void {
    this.items.value = [];
  }

  ready(): UploadedFile[] {
    return this.items.peek().flatMap((one) => one.uploaded ?? []);
  }

  private make(file: File, problem: string): Item {
    return {
      key: ++count,
      file,
      progress: signal(0),
      state: signal(problem ? "refused" : "uploading"),
      problem,
      uploaded: null,
      cancel: () => undefined,
    };
  }

  private async start(item: Item): Promise<void> {
    const { done, cancel } = upload(item.file, (part) => (item.progress.value = part));
    item.cancel = cancel;
    try {
      item.uploaded = await done;
      item.state.value = "done";
    } catch (problem) {
      if (problem instanceof Problem && problem.status === -1) return;
      item.problem = problem instanceof Problem && problem.status > 0 ? problem.message : t("file.failed");
      item.state.value = "failed";
    }
  }
}

/** Why a channel cannot carry a file, or nothing. */
export function refusal(file: { size: number }, before: number, limits: Limits | null, channel: string): string {
  if (file.size === 0) return t("file.empty");
  if (limits && file.size > limits.file_size) return t("file.toobig", { channel, size: size(limits.file_size) });
  if (limits && before >= limits.files) return t("file.toomany", { channel, n: limits.files });
  return "";
}

/** The tray of a conversation and tab: it stays while the page does. */
export function tray(key: string): Tray {
  let found = lists.get(key);
  if (!found) lists.set(key, (found = new Tray()));
  return found;
}
