/** What this browser remembers of the page: language, colours, size (for good), the access token (for the session). */

import { effect, signal } from "@preact/signals";

export type Lang = "ja" | "en";
export type Theme = "dark" | "light";

function kept<T extends string>(store: Storage, name: string, fallback: T, allowed?: readonly T[]): T {
  try {
    const found = store.getItem(`hoshikage.${name}`) as T | null;
    return found !== null && (!allowed || allowed.includes(found)) ? found : fallback;
  } catch {
    return fallback; // a browser that keeps nothing
  }
}

function keep(store: Storage, name: string, value: string): void {
  try {
    if (value) store.setItem(`hoshikage.${name}`, value);
    else store.removeItem(`hoshikage.${name}`);
  } catch {
    // it counts until the page is closed
  }
}

const wished: Lang = navigator.language.toLowerCase().startsWith("ja") ? "ja" : "en";
export const lang = signal<Lang>(kept<Lang>(localStorage, "lang", wished, ["ja", "en"]));
export const theme = signal<Theme>(kept<Theme>(localStorage, "theme", "dark", ["dark", "light"]));
export const size = signal<string>(kept(localStorage, "size", "100", ["85", "100", "115", "130", "150"]));
export const enterSends = signal<string>(kept(localStorage, "enter", "on", ["on", "off"]));
export const lastModel = signal<string>(kept(localStorage, "model", ""));
export const token = signal<string>(kept(sessionStorage, "token", ""));

effect(() => {
  document.documentElement.lang = lang.value;
  document.documentElement.dataset["theme"] = theme.value;
  document.documentElement.dataset["size"] = size.value;
  keep(localStorage, "lang", lang.value);
  keep(localStorage, "theme", theme.value);
  keep(localStorage, "size", size.value);
  keep(localStorage, "enter", enterSends.value);
  keep(localStorage, "model", lastModel.value);
  keep(sessionStorage, "token", token.value);
});
