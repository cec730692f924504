/** Pictures and sounds as files: taken in and bounded, held until the browser keeps them, made ready to be sent. */

import { FORMATS, kindOf, MOST, sniffed, type Format, type Kind } from "./formats";
import { keepFile, keptFile } from "./media_store";
import { newId } from "./ids";
import type { Medium, Turn } from "./tree";
import { bytes, number, say } from "./words";

const HEAD = 12;
const MEASURE_MS = 5000;

/** Files that are not kept by the browser, or not yet. */
const held = new Map<string, Blob>();

export async function formatOf(file: Blob): Promise<Format | null> {
  return sniffed(new Uint8Array(await file.slice(0, HEAD).arrayBuffer()));
}

/** Takes a file in; `beside` are those of the same message. Raises an Error, in words for people, for one that the
 * server would not take. */
export async function taken(file: File, format: Format, beside: Medium[]): Promise<Medium> {
  const { name } = file;
  const together = beside.reduce((sum, one) => sum + one.size, file.size);
  if (together > MOST.bytes) {
    throw new Error(say(file.size > MOST.bytes ? "file_large" : "media_bytes", { name, most: bytes(MOST.bytes) }));
  }
  if (beside.length >= MOST.count) throw new Error(say("media_count", { name, most: MOST.count }));
  const copy = new Blob([await file.arrayBuffer()], { type: FORMATS[format] }); // the file may change, or go
  if (kindOf(format) === "image") await requireFewPixels(copy, name);
  else await requireShort(copy, name);
  const id = newId();
  held.set(id, copy);
  return { id, name: unlike(name, beside), format, size: copy.size };
}

/** Pasted pictures are all called the same. */
function unlike(name: string, beside: Medium[]): string {
  const [, stem, ending] = /^(.*?)(\.[^.]*)?$/s.exec(name)!;
  let found = name;
  for (let count = 2; beside.some((one) => one.name === found); count += 1) found = `${stem} (${count})${ending ?? ""}`;
  return found;
}

/** The head of a picture is enough for its size: nothing is decoded before it is shown. */
async function requireFewPixels(file: Blob, name: string): Promise<void> {
  const address = URL.createObjectURL(file);
  try {
    const picture = new Image();
    await new Promise((resolve, reject) => {
      picture.onload = resolve;
      picture.onerror = () => reject(new Error(say("media_damaged", { name })));
      picture.src = address;
    });
    const { naturalWidth: width, naturalHeight: height } = picture;
    if (width * height > MOST.pixels) {
      const most = number(MOST.pixels / 1e6, 0);
      throw new Error(say("media_pixels", { name, width: number(width, 0), height: number(height, 0), most }));
    }
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** A sound that this browser cannot play may be one that the server can read. */
async function requireShort(file: Blob, name: string): Promise<void> {
  const address = URL.createObjectURL(file);
  const sound = new Audio();
  await new Promise((resolve) => {
    sound.onloadedmetadata = sound.onerror = resolve;
    setTimeout(resolve, MEASURE_MS);
    sound.preload = "metadata";
    sound.src = address;
  });
  const { duration } = sound;
  sound.removeAttribute("src");
  URL.revokeObjectURL(address);
  if (Number.isFinite(duration) && duration > MOST.seconds) {
    throw new Error(say("media_long", { name, minutes: number(duration / 60), most: MOST.seconds / 60 }));
  }
}

/** One that was taken in, and is not sent after all. */
export function dropped({ id }: Medium): void {
  held.delete(id);
}

export async function fileOf(id: string): Promise<Blob | undefined> {
  return held.get(id) ?? (await keptFile(id));
}

/** Has the browser keep the files of these turns; those that it does not stay until the page is closed. True where it
 * keeps any that it had not. */
export async function shelve(turns: Turn[]): Promise<boolean> {
  let any = false;
  for (const { id } of turns.flatMap((turn) => turn.media ?? [])) {
    const file = held.get(id);
    if (file && (await keepFile(id, file))) any = held.delete(id) || any;
  }
  return any;
}

interface Packed {
  /** An id -> its file as base64. What is not there is a word for the model. */
  files: ReadonlyMap<string, string>;
  /** What of the history was left out, in words; empty for nothing. */
  leftOut: string;
}

/** What a request takes of a branch's files, as the server would: all of what is asked about, and of the history the
 * newest, as far as the room goes. Raises an Error for a file of what is asked about that is there no more. */
export async function packed(branch: Turn[], model: string, senses: ReadonlySet<Kind> | null): Promise<Packed> {
  const turns = branch.filter((turn) => turn.role === "user").reverse();
  const files = new Map<string, string>();
  const left = { media_unread: 0, media_crowded: 0, media_gone: 0 };
  let room: number = MOST.bytes;
  const pack = async (one: Medium): Promise<boolean> => {
    const text = await asBase64(one.id);
    if (text === null) return false;
    files.set(one.id, text);
    room -= one.size;
    return true;
  };
  for (const one of turns[0]?.media ?? []) {
    if (!(await pack(one))) throw new Error(say("media_lost", { name: one.name }));
  }
  for (const one of turns.slice(1).flatMap((turn) => [...(turn.media ?? [])].reverse())) {
    if (senses && !senses.has(kindOf(one.format))) left.media_unread += 1;
    else if (one.size > room || files.size >= MOST.count) left.media_crowded += 1;
    else if (!(await pack(one))) left.media_gone += 1;
  }
  const told = (Object.keys(left) as (keyof typeof left)[])
    .filter((word) => left[word])
    .map((word) => say(word, { model, count: left[word], most: bytes(MOST.bytes), number: MOST.count }));
  return { files, leftOut: told.join("\n") };
}

/** Null where the file is there no more. */
export async function asBase64(id: string): Promise<string | null> {
  const file = await fileOf(id);
  if (!file) return null;
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve((reader.result as string).split(",")[1] ?? "");
    reader.onerror = () => resolve(null);
    reader.readAsDataURL(file);
  });
}

/** A file out of an export, where it is a picture or a sound; its type is what its bytes say. */
export async function imported(id: string, text: string): Promise<void> {
  const letters = atob(text);
  const data = new Uint8Array(letters.length);
  for (let at = 0; at < data.length; at += 1) data[at] = letters.charCodeAt(at);
  const format = sniffed(data);
  if (!format) return;
  const file = new Blob([data], { type: FORMATS[format] });
  if (!(await keepFile(id, file))) held.set(id, file);
}
