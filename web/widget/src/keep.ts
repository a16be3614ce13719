/** What survives a reload: words in localStorage, files on their way out in IndexedDB. */

export interface Keep {
  get<T>(key: string): T | undefined;
  set(key: string, value: unknown): void;
  drop(key: string): void;
  /** Every kept value whose key starts so, in no order. */
  all<T>(prefix: string): T[];
  /** Calls back when another tab of the site changed a key. */
  watch(changed: (key: string) => void): void;
}

/** Keeps under `space`; where the browser refuses storage, for as long as the page lives. */
export function keepIn(space: string): Keep {
  const memory = new Map<string, string>();
  const store = (): Storage | undefined => {
    try {
      return localStorage;
    } catch {
      return undefined;
    }
  };
  const read = (key: string): string | null => memory.get(key) ?? store()?.getItem(key) ?? null;
  const parse = <T>(text: string | null): T | undefined => {
    try {
      return text === null ? undefined : (JSON.parse(text) as T);
    } catch {
      return undefined;
    }
  };
  return {
    get: (key) => parse(read(space + key)),
    set(key, value) {
      const text = JSON.stringify(value);
      try {
        store()!.setItem(space + key, text);
        memory.delete(space + key);
      } catch {
        memory.set(space + key, text); // refused or full
      }
    },
    drop(key) {
      memory.delete(space + key);
      store()?.removeItem(space + key);
    },
    all<T>(prefix: string) {
      const keys = new Set([...memory.keys(), ...Object.keys(store() ?? {})]);
      return [...keys]
        .filter((key) => key.startsWith(space + prefix))
        .map((key) => parse<T>(read(key)))
        .filter((value) => value !== undefined);
    },
    watch(changed) {
      addEventListener("storage", (event) => {
        if (event.key?.startsWith(space)) changed(event.key.slice(space.length));
      });
    },
  };
}

/** Files that wait to be uploaded, by client id. Every call may fail quietly: it is a second copy. */
export class Blobs {
  private db: Promise<IDBDatabase> | undefined;

  constructor(private readonly name: string) {}

  put(id: string, blob: Blob): Promise<unknown> {
    return this.ask("readwrite", (files) => files.put(blob, id));
  }

  get(id: string): Promise<Blob | undefined> {
    return this.ask("readonly", (files) => files.get(id) as IDBRequest<Blob>);
  }

  drop(id: string): Promise<unknown> {
    return this.ask("readwrite", (files) => files.delete(id));
  }

  private open(): Promise<IDBDatabase> {
    return (this.db ??= new Promise((done, fail) => {
      const request = indexedDB.open(this.name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore("files");
      request.onsuccess = () => done(request.result);
      request.onerror = fail;
    }));
  }

  private async ask<T>(
    mode: IDBTransactionMode,
    work: (files: IDBObjectStore) => IDBRequest<T>,
  ): Promise<T | undefined> {
    try {
      const files = (await this.open()).transaction("files", mode).objectStore("files");
      return await new Promise<T>((done, fail) => {
        const request = work(files);
        request.onsuccess = () => done(request.result);
        request.onerror = fail;
      });
    } catch {
      return undefined;
    }
  }
}
