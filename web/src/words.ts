/** Every text of the page, in Japanese and English. */

import { lang } from "./prefs";
import { WORDS } from "./words_table";

export type Word = keyof typeof WORDS;

/** The text in the language of the page; `{name}` is filled from `details`. Reading it follows a change of language. */
export function say(word: Word, details: Record<string, string | number> = {}): string {
  const text = WORDS[word][lang.value === "ja" ? 0 : 1];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(details[name] ?? whole));
}

/** Whether there is a text of that name: for names that the server gives. */
export function isWord(name: string): name is Word {
  return Object.hasOwn(WORDS, name);
}

export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toLocaleString(lang.value, { maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0 })} ${units[unit]}`;
}

export function number(value: number, digits = 1): string {
  return value.toLocaleString(lang.value, { maximumFractionDigits: digits });
}

export function seconds(ms: number): string {
  return `${number(ms / 1000, ms < 10_000 ? 1 : 0)} s`;
}

/** The time of day, to the second. */
export function clock(time: number): string {
  return new Date(time).toLocaleTimeString(lang.value);
}

export function when(time: number): string {
  const date = new Date(time);
  const today = new Date().toDateString() === date.toDateString();
  return today
    ? date.toLocaleTimeString(lang.value, { hour: "2-digit", minute: "2-digit" })
    : date.toLocaleDateString(lang.value, { year: "numeric", month: "short", day: "numeric" });
}
