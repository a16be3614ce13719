import { h } from "preact";
import { outlines, type IconName } from "./outlines";

export type { IconName } from "./outlines";

/** A line icon; it says nothing by itself: the words are beside it or on its button. */
export function Icon({ name, size = 16, class: extra = "" }: { name: IconName; size?: number; class?: string }) {
  return (
    <svg
      class={`icon ${extra}`}
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.75"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {outlines[name].map(([tag, attributes]) => h(tag, attributes))}
    </svg>
  );
}

/** Channel glyphs, drawn for this project. A new channel gets its first letter until it has one. */
const glyphs: Record<string, string> = {
  telegram:
    "M20.3 4.3 3.6 10.8c-.8.3-.8 1.3 0 1.6l4.1 1.3 1.6 5c.2.7 1 .8 1.5.3l2.3-2.3 4.2 3.1c.6.4 1.3.1 1.5-.6L21.6 5.4c.2-.8-.5-1.4-1.3-1.1zM9.9 14.4l-.5 2.7-.9-3.5 8.3-6z",
  sms: "M6.5 4.5h11a3 3 0 0 1 3 3V14a3 3 0 0 1-3 3h-5.7l-4.6 3.6c-.5.4-1.2 0-1.2-.6v-3.1a3 3 0 0 1-2.5-2.9V7.5a3 3 0 0 1 3-3zM8 9.7a1.15 1.15 0 1 0 0 2.3 1.15 1.15 0 0 0 0-2.3zm4 0a1.15 1.15 0 1 0 0 2.3 1.15 1.15 0 0 0 0-2.3zm4 0a1.15 1.15 0 1 0 0 2.3 1.15 1.15 0 0 0 0-2.3z",
  webchat:
    "M5.5 4.5h13A2.5 2.5 0 0 1 21 7v10a2.5 2.5 0 0 1-2.5 2.5h-13A2.5 2.5 0 0 1 3 17V7a2.5 2.5 0 0 1 2.5-2.5zM4.8 9v8c0 .5.3.8.7.8h13c.4 0 .7-.3.7-.8V9zM7 11.3h6.5V13H7zm0 3h4V16H7z",
  whatsapp:
    "M12 3.3a8.6 8.6 0 0 0-7.4 13L3.5 20c-.1.4.3.8.7.7L8 19.6A8.6 8.6 0 1 0 12 3.3zM9 7.6c.4 0 .7.2.9.6l.7 1.6c.1.3 0 .6-.2.9l-.6.7c.7 1.4 1.5 2.2 2.9 2.9l.7-.6c.2-.2.6-.3.9-.2l1.6.7c.4.2.6.5.6.9 0 1.2-1 2.1-2.2 2-3.8-.5-7.2-3.9-7.7-7.7C6.5 8.5 7.7 7.5 9 7.6z",
};

/** The badge of a channel: its colour and its glyph; `label` is what a screen reader says. */
export function ChannelBadge({ type, label, size }: { type: string; label: string; size: number }) {
  const glyph = glyphs[type];
  return (
    <span class={`badge badge-${glyph ? type : "other"}`} style={{ width: `${size}px`, height: `${size}px` }} title={label}>
      {glyph ? (
        <svg width={size * 0.68} height={size * 0.68} viewBox="0 0 24 24" fill="currentColor" aria-hidden="true">
          <path d={glyph} fill-rule="evenodd" />
        </svg>
      ) : (
        <span aria-hidden="true">{label.slice(0, 1)}</span>
      )}
    </span>
  );
}

/** The mark of Bridge: a suspension bridge on the accent. */
export function Logo({ size = 24 }: { size?: number }) {
  return (
    <svg class="logo" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <rect width="24" height="24" rx="6.5" fill="var(--accent)" />
      <path
        d="M4 15.8h16M7.5 15.8V8M16.5 15.8V8M4 12.3c1.7-.7 2.8-2.1 3.5-4.3 1 3.2 2.5 4.6 4.5 4.6s3.5-1.4 4.5-4.6c.7 2.2 1.8 3.6 3.5 4.3M12 12.6v3.2"
        fill="none"
        stroke="#fff"
        stroke-width="1.6"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}

/** What a name is drawn with: up to two initials. */
export function initials(name: string): string {
  const words = name.replace(/[^\p{L}\p{N}\s]/gu, " ").trim().split(/\s+/).filter(Boolean);
  const first = words[0] ?? "?";
  const last = words.length > 1 ? (words[words.length - 1] ?? "") : "";
  if (/^\p{N}/u.test(first)) return words.join("").slice(-2);
  return (Array.from(first)[0] ?? "?").toLocaleUpperCase() + (Array.from(last)[0] ?? "").toLocaleUpperCase();
}

/** One of seven soft grounds, always the same for the same person. */
export function ground(id: string): string {
  let sum = 0;
  for (const char of id) sum = (sum * 31 + char.charCodeAt(0)) >>> 0;
  return "abcdefg".charAt(sum % 7);
}

/** A person as a disc with initials. Decoration: the name stands beside it. */
export function Avatar({ id, name, size }: { id: string; name: string; size: number }) {
  const sides = { width: `${size}px`, height: `${size}px`, fontSize: `${size * 0.36}px` };
  return (
    <span class={`avatar avatar-${ground(id)}`} style={sides} data-initials={initials(name)} aria-hidden="true" />
  );
}
