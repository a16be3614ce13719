/** @jsxImportSource ../dom */
/** Glyphs on a 24 grid, drawn for the project. */

const PATHS = {
  chat: "M6.5 5.5h11A2.5 2.5 0 0 1 20 8v6a2.5 2.5 0 0 1-2.5 2.5H11L7 20v-3.5h-.5A2.5 2.5 0 0 1 4 14V8a2.5 2.5 0 0 1 2.5-2.5z",
  down: "m7 10 5 5 5-5",
  close: "m7 7 10 10M17 7 7 17",
  clip: "m18.8 11-7 7a4.2 4.2 0 0 1-6-6l7.3-7.2a2.8 2.8 0 0 1 4 4l-7.2 7.2a1.4 1.4 0 0 1-2-2l6.5-6.5",
  send: "M12 19V5.5M6.5 11 12 5.5l5.5 5.5",
  sent: "m5 12.6 4.3 4.2L19 7.2",
  delivered: "m2.5 12.8 4 4L15.5 7.5M12 15.8l1 1 8.8-9.3",
  waiting: "M20 12a8 8 0 1 1-16 0 8 8 0 0 1 16 0M12 7.5V12l3 2",
  failed: "M20 12a8 8 0 1 1-16 0 8 8 0 0 1 16 0M12 8v4.5M12 15.9v.1",
  offline: "m4.5 4.5 15 15M12 18.5v.1M8.7 15.2a5 5 0 0 1 5.7-.8M5.5 12a9.6 9.6 0 0 1 4-2.3M13.5 9.3a9.6 9.6 0 0 1 5 2.7",
  file: "M13.5 4H8a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h8a2 2 0 0 0 2-2V8.5zM13.5 4v4.5H18",
} as const;

export type Glyph = keyof typeof PATHS;

export function Icon({ name, size = 19 }: { name: Glyph; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
