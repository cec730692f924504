/** Conversations in the browser's own store. Other tabs are told of each change. */

import { signal } from "@preact/signals";
import { openDB, type IDBPDatabase } from "idb";
import { forgetFiles, keptIds } from "./media_store";
import { mediaOf, merged, type Conversation } from "./tree";

const NAME = "hoshikage";
let opened: Promise<IDBPDatabase> | null = null;
const tabs = new BroadcastChannel(NAME);

/** Counts changes of the store, by this tab or another. */
export const changes = signal(0);
/** Set where the browser keeps nothing (a private window, no room): what failed. */
export const storeFault = signal("");

tabs.addEventListener("message", () => (changes.value += 1));

function database(): Promise<IDBPDatabase> {
  opened ??= openDB(NAME, 1, {
    upgrade(db) {
      db.createObjectStore("conversations", { keyPath: "id" }).createIndex("changed", "changed");
    },
    terminated: () => (opened = null),
  });
  return opened;
}

async function tried<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    const done = await work();
    storeFault.value = "";
    return done;
  } catch (error) {
    opened = null;
    storeFault.value = error instanceof Error ? error.message : String(error);
    return otherwise;
  }
}

/** The newest first. */
export function all(): Promise<Conversation[]> {
  return tried(async () => (await (await database()).getAllFromIndex("conversations", "changed")).reverse(), []);
}

export function one(id: string): Promise<Conversation | undefined> {
  return tried(async () => (await database()).get("conversations", id) as Promise<Conversation | undefined>, undefined);
}

/** Keeps a conversation; what another tab added to it meanwhile stays. False where the browser does not. */
export async function keep(conversation: Conversation): Promise<boolean> {
  const copy = structuredClone(conversation);
  const kept = await tried(async () => {
    const change = (await database()).transaction("conversations", "readwrite");
    const there = (await change.store.get(copy.id)) as Conversation | undefined;
    await change.store.put(merged(copy, there));
    await change.done;
    return true;
  }, false);
  changed();
  return kept;
}

/** Changes the title alone, whatever another tab does with the rest. */
export async function rename(id: string, title: string): Promise<void> {
  await tried(async () => {
    const change = (await database()).transaction("conversations", "readwrite");
    const there = (await change.store.get(id)) as Conversation | undefined;
    if (there) await change.store.put({ ...there, title });
    await change.done;
  }, undefined);
  changed();
}

/** Forgets a conversation, and its pictures and sounds that no other one has. */
export async function forget(id: string): Promise<void> {
  const gone = await tried(async () => {
    const store = await database();
    const found = (await store.get("conversations", id)) as Conversation | undefined;
    await store.delete("conversations", id);
    return found;
  }, undefined);
  if (gone && mediaOf(gone).length) await sweep();
  changed();
}

/** Forgets the pictures and sounds that no conversation names. A file is kept after the conversation that names it, so
 * the files are listed first here: what another tab is keeping meanwhile stays. */
export async function sweep(): Promise<void> {
  const kept = await keptIds();
  if (!kept.length) return;
  await tried(async () => {
    const named = new Set(((await (await database()).getAll("conversations")) as Conversation[]).flatMap(mediaOf));
    await forgetFiles(kept.filter((id) => !named.has(id)));
  }, undefined);
}

export function changed(): void {
  changes.value += 1;
  tabs.postMessage(changes.value);
}
