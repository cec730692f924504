/** Conversations in the browser's own store. Other tabs are told of each change. */

import { signal } from "@preact/signals";
import { openDB, type IDBPDatabase } from "idb";
import { forgetFiles } from "./media_store";
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

/** Keeps a conversation; what another tab added to it meanwhile stays. */
export async function keep(conversation: Conversation): Promise<void> {
  const copy = structuredClone(conversation);
  await tried(async () => {
    const change = (await database()).transaction("conversations", "readwrite");
    const there = (await change.store.get(copy.id)) as Conversation | undefined;
    await change.store.put(merged(copy, there));
    await change.done;
  }, undefined);
  changed();
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
  await tried(async () => {
    const store = await database();
    const gone = (await store.get("conversations", id)) as Conversation | undefined;
    await store.delete("conversations", id);
    const needed = new Set(((await store.getAll("conversations")) as Conversation[]).flatMap(mediaOf));
    await forgetFiles(gone ? mediaOf(gone).filter((file) => !needed.has(file)) : []);
  }, undefined);
  changed();
}

function changed(): void {
  changes.value += 1;
  tabs.postMessage(changes.value);
}
