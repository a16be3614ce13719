import { signal } from "@preact/signals";
import { Fragment, h, type ComponentChild } from "preact";
import { en } from "./text.en";
import { it } from "./text.it";

export type Language = "en" | "it";
export type TextKey = keyof typeof en;
type Values = Record<string, string | number>;

const texts: Record<Language, Record<TextKey, string>> = { en, it };

/** Italian browsers get Italian, all others English, until the profile says otherwise. */
export function browserLanguage(): Language {
  return navigator.language.toLowerCase().startsWith("it") ? "it" : "en";
}

export const language = signal<Language>(browserLanguage());

/** A text in the current language. `one|many` texts are chosen by `n`. */
export function t(key: TextKey, values: Values = {}): string {
  return pick(key, values).replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The same with elements in place of some values: `rich("x", { name: <b>Paolo</b> })`. */
export function rich(key: TextKey, values: Record<string, ComponentChild>): ComponentChild {
  const parts = pick(key, {}).split(/\{(\w+)\}/);
  return h(Fragment, null, ...parts.map((part, index) => (index % 2 ? values[part] : part)));
}

function pick(key: TextKey, values: Values): string {
  const text = texts[language.value][key];
  if (!("n" in values) || !text.includes("|")) return text;
  const [one = text, many = one] = text.split("|");
  return Number(values.n) === 1 ? one : many;
}
