/** The script tag's attributes. */

import { parseHex, type Inks, inksFor } from "./ink";
import { pickLang, words, type Lang, type Words } from "./words";

export interface Config {
  /** The folder the script came from, with a slash at its end. */
  base: string;
  lang: Lang;
  words: Words;
  /** Writes a time of day; made once, because making it is slow. */
  clock: Intl.DateTimeFormat;
  /** Undefined: the widget's own colours. */
  inks: Inks | undefined;
  theme: "auto" | "light" | "dark";
  position: "right" | "left";
  launcher: "round" | "label" | "none";
  /** Empty: the business' name. */
  title: string;
  /** Empty: the usual words, and no bubble beside the launcher. */
  greeting: string;
}

function oneOf<T extends string>(value: string | undefined, ...known: [T, ...T[]]): T {
  return known.find((one) => one === value) ?? known[0];
}

/** `data-lang`, else the page's language, else the browser's. Wrong values count as missing. */
export function readConfig(script: HTMLScriptElement): Config {
  const { dataset } = script;
  const asked = dataset.lang === "auto" ? undefined : dataset.lang;
  const lang = pickLang(asked, document.documentElement.lang, ...navigator.languages);
  const color = dataset.color && parseHex(dataset.color);
  return {
    base: new URL(".", script.src).href,
    lang,
    words: words[lang],
    // As the visitor's region writes it: 14:05 or 2:05 PM.
    clock: new Intl.DateTimeFormat(navigator.languages.find((tag) => tag.startsWith(lang)) ?? lang, { hour: "numeric", minute: "2-digit" }),
    inks: color ? inksFor(color) : undefined,
    theme: oneOf(dataset.theme, "auto", "light", "dark"),
    position: oneOf(dataset.position, "right", "left"),
    launcher: oneOf(dataset.launcher, "round", "label", "none"),
    title: dataset.title ?? "",
    greeting: dataset.greeting ?? "",
  };
}
