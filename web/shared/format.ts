import { language, t } from "./i18n";

const formats = new Map<string, Intl.DateTimeFormat>();

function format(name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${language.value} ${name}`;
  let found = formats.get(key);
  if (!found) formats.set(key, (found = new Intl.DateTimeFormat(language.value === "it" ? "it-IT" : "en-GB", options)));
  return found;
}

/** `14:02` */
export function clock(at: string): string {
  return format("clock", { hour: "2-digit", minute: "2-digit" }).format(new Date(at));
}

/** The whole date and time, for a tooltip. */
export function full(at: string): string {
  return format("full", { dateStyle: "full", timeStyle: "short" }).format(new Date(at));
}

/** Days between two moments, by the calendar of this device. */
export function daysAgo(at: string, now = new Date()): number {
  const day = (moment: Date) => new Date(moment.getFullYear(), moment.getMonth(), moment.getDate()).getTime();
  return Math.round((day(now) - day(new Date(at))) / 86_400_000);
}

/** `3 Sep`, with the year where it is another. */
export function date(at: string, now = new Date()): string {
  const moment = new Date(at);
  return moment.getFullYear() === now.getFullYear()
    ? format("date", { day: "numeric", month: "short" }).format(moment)
    : format("year", { day: "numeric", month: "short", year: "numeric" }).format(moment);
}

/** For a list row: `14:02`, `Yesterday`, `3 Sep`. */
export function when(at: string, now = new Date()): string {
  const days = daysAgo(at, now);
  return days <= 0 ? clock(at) : days === 1 ? t("day.yesterday") : date(at, now);
}

/** For a day separator: `Today`, `Yesterday`, `Monday 3 September`. */
export function day(at: string, now = new Date()): string {
  const days = daysAgo(at, now);
  if (days === 0) return t("day.today");
  if (days === 1) return t("day.yesterday");
  const far = new Date(at).getFullYear() !== now.getFullYear();
  const options: Intl.DateTimeFormatOptions = { weekday: "long", day: "numeric", month: "long" };
  const text = format(far ? "farday" : "day", far ? { ...options, year: "numeric" } : options).format(new Date(at));
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

/** `84 KB`: powers of 1000, as vendors state their limits. */
export function size(bytes: number): string {
  const steps: [number, string][] = [[1e9, "GB"], [1e6, "MB"], [1e3, "KB"]];
  for (const [step, unit] of steps) {
    if (bytes >= step) {
      const value = bytes / step;
      return `${value.toLocaleString(language.value, { maximumFractionDigits: value < 10 ? 1 : 0 })} ${unit}`;
    }
  }
  return `${bytes} B`;
}

/** Seconds as `1:05`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** How long ago, in the largest whole unit: `12 min`, `3 h`, `2 d`. */
export function elapsed(at: string, now: number): string {
  const minutes = Math.max(0, Math.floor((now - Date.parse(at)) / 60_000));
  if (minutes < 60) return t("time.minutes", { n: minutes });
  if (minutes < 48 * 60) return t("time.hours", { n: Math.floor(minutes / 60) });
  return t("time.days", { n: Math.floor(minutes / 1440) });
}

/** Country codes of one and of two digits (ITU-T E.164); all others have three. */
const SHORT_CODES = /^\+(1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])/;

/** `+393330104417` as `+39 333 010 4417`. What is no number stays as it is. */
export function phone(text: string): string {
  if (!/^\+\d{7,15}$/.test(text)) return text;
  const code = SHORT_CODES.exec(text)?.[0] ?? text.slice(0, 4);
  const rest = text.slice(code.length);
  const groups = rest.match(rest.length % 3 === 1 ? /\d{3}(?=\d{4,})|\d{4}$|\d{3}/g : /\d{1,3}/g) ?? [];
  return [code, ...groups].join(" ");
}
