import { onSignedOut, Problem, problemBody, type UploadedFile } from "./api";

/** An upload on its way; `done` rejects with a `Problem`, status -1 when it was cancelled. */
export interface Upload {
  done: Promise<UploadedFile>;
  cancel: () => void;
}

/** Uploads with progress (0 to 1), which `fetch` cannot tell. */
export function upload(file: File, progress: (part: number) => void): Upload {
  const request = new XMLHttpRequest();
  const done = new Promise<UploadedFile>((resolve, reject) => {
    request.open("POST", `/api/files?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.onprogress = (event) => progress(event.lengthComputable ? event.loaded / event.total : 0);
    request.onerror = () => reject(new Problem(0));
    request.onabort = () => reject(new Problem(-1));
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) return resolve(JSON.parse(request.responseText) as UploadedFile);
      if (request.status === 401) onSignedOut.handler();
      reject(new Problem(request.status, problemBody(request.responseText)));
    };
    request.send(file);
  });
  return { done, cancel: () => request.abort() };
}
