/** What is to go with the next words: texts, pictures and sounds, taken in one after the other. */

import { signal } from "@preact/signals";
import { current, senses } from "./chat";
import { kindOf, named, type Kind } from "./formats";
import { dropped, formatOf, taken } from "./media";
import type { Attached, Medium } from "./tree";
import { bytes, say } from "./words";

const MOST_TEXT = 1 << 20;
const LOOKED_AT = 4096;

export class Attachments {
  readonly files = signal<Attached[]>([]);
  readonly media = signal<Medium[]>([]);
  /** Why something was not taken. */
  readonly fault = signal("");
  /** How many files are being read. */
  readonly reading = signal(0);
  private last = Promise.resolve();

  /** Takes files in, in their order; what cannot be taken is said in `fault`. */
  take(list: Iterable<File>): void {
    const files = [...list];
    this.fault.value = "";
    this.reading.value += files.length;
    for (const file of files) {
      this.last = this.last.then(async () => {
        try {
          await this.one(file);
        } catch (error) {
          this.fault.value = [this.fault.value, (error as Error).message].filter(Boolean).join("\n");
        }
        this.reading.value -= 1;
      });
    }
  }

  remove(one: Attached | Medium): void {
    this.fault.value = "";
    this.files.value = this.files.value.filter((other) => other !== one);
    this.media.value = this.media.value.filter((other) => other !== one);
    if ("id" in one) dropped(one);
  }

  /** Nobody will send them. */
  leave(): void {
    this.media.value.forEach(dropped);
  }

  /** They have been sent. */
  clear(): void {
    this.files.value = [];
    this.media.value = [];
    this.fault.value = "";
  }

  private async one(file: File): Promise<void> {
    const text = await asText(file);
    if (text !== null) {
      if (file.size > MOST_TEXT) throw new Error(say("file_large", { name: file.name, most: bytes(MOST_TEXT) }));
      this.files.value = [...this.files.value.filter((one) => one.name !== file.name), { name: file.name, text }];
      return;
    }
    const format = await formatOf(file);
    const able = senses.value ?? new Set<Kind>();
    if (format === null) {
      const wanted = named(able);
      throw new Error(say(wanted ? "file_no_media" : "file_no_text", { name: file.name, formats: wanted }));
    }
    const unfit = unread(kindOf(format));
    if (unfit) throw new Error(`${file.name}: ${unfit}`);
    this.media.value = [...this.media.value, await taken(file, format, this.media.value)];
  }
}

/** Why the chosen model takes none of a kind, in words; empty where it does, or where nothing is known of it. */
export function unread(kind: Kind): string {
  if (!senses.value || senses.value.has(kind)) return "";
  return say(kind === "image" ? "no_pictures" : "no_sound", { model: current.value.model });
}

/** Null for what is no text: bytes that are not UTF-8, or a NUL. Of a large file only the beginning is looked at. */
async function asText(file: File): Promise<string | null> {
  const whole = file.size <= MOST_TEXT;
  try {
    const data = await (whole ? file : file.slice(0, LOOKED_AT)).arrayBuffer();
    const text = new TextDecoder("utf-8", { fatal: true }).decode(data, { stream: !whole });
    return text.includes("\0") ? null : text;
  } catch {
    return null;
  }
}
