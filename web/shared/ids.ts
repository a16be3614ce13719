let last = 0;

/** A UUIDv7 that is greater than all before it on this page. Works without a secure context, too. */
export function uuid7(now = Date.now()): string {
  last = Math.max(last + 1, now);
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const time = last.toString(16).padStart(12, "0");
  const variant = (8 + (bytes[2]! & 3)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-${variant}${hex.slice(5, 8)}-${hex.slice(8, 20)}`;
}
