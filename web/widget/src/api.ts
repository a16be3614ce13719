/** Requests to the gateway, all of them under /widget/. */

/** A request that is silent for so long, in ms, is given up. */
const PATIENCE = 15_000;
const STALLED = 30_000;

/** The gateway said no. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    /** Seconds to wait before asking again. */
    readonly retryAfter: number,
  ) {
    super(`${status}`);
  }

  /** Whether the same request can succeed later, or with another token. */
  get passing(): boolean {
    return this.status >= 500 || [401, 408, 425, 429].includes(this.status);
  }
}

function refusal(status: number, body: string): Refused {
  try {
    return new Refused(status, JSON.parse(body).retry_after ?? 0);
  } catch {
    return new Refused(status, 0); // a proxy's own error page
  }
}

export class Api {
  token = "";

  /** `base` ends with a slash: the folder that the script came from. */
  constructor(readonly base: string) {}

  url(path: string): string {
    return new URL("widget/" + path, this.base).href;
  }

  /** The JSON answer; throws `Refused`, or what fetch throws when nobody answers. */
  async call<T>(path: string, body?: unknown): Promise<T> {
    const answer = await fetch(this.url(path), {
      method: body === undefined ? "GET" : "POST",
      headers: {
        ...(this.token && { Authorization: "Bearer " + this.token }),
        ...(body !== undefined && { "Content-Type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(PATIENCE),
    });
    const text = await answer.text();
    if (!answer.ok) throw refusal(answer.status, text);
    return (text ? JSON.parse(text) : undefined) as T;
  }

  /** Upload a file; `progress` hears 0 to 1. By XHR, because fetch cannot tell progress. */
  upload(file: Blob, name: string, progress: (part: number) => void, stop: AbortSignal): Promise<{ id: string }> {
    return new Promise((done, fail) => {
      const request = new XMLHttpRequest();
      request.open("POST", this.url("files?name=" + encodeURIComponent(name)));
      request.setRequestHeader("Authorization", "Bearer " + this.token);
      request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
      let stalled: ReturnType<typeof setTimeout>;
      const alive = (): void => {
        clearTimeout(stalled);
        stalled = setTimeout(() => request.abort(), STALLED);
      };
      request.upload.onprogress = (event) => {
        alive();
        progress(event.loaded / (event.total || 1));
      };
      request.onloadend = () => clearTimeout(stalled);
      request.onload = () =>
        request.status < 300
          ? done(JSON.parse(request.responseText))
          : fail(refusal(request.status, request.responseText));
      request.onerror = request.onabort = () => fail(new TypeError("upload"));
      stop.addEventListener("abort", () => request.abort());
      alive();
      request.send(file);
    });
  }
}
