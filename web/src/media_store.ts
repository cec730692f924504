/** The files of pictures and sounds in the browser's own store, beside the conversations, which name them by their ids:
 * a database of its own, so that a conversation is written without them. */

import { signal } from "@preact/signals";
import { openDB, type IDBPDatabase } from "idb";

const NAME = "hoshikage-media";
const FILES = "files";
let opened: Promise<IDBPDatabase> | null = null;

/** Set where a file was not kept (no room, a browser that keeps nothing): what failed. */
export const mediaFault = signal("");

function database(): Promise<IDBPDatabase> {
  opened ??= openDB(NAME, 1, {
    upgrade(db) {
      db.createObjectStore(FILES);
    },
    terminated: () => (opened = null),
  });
  return opened;
}

/** Keeps a file, unless there is one of that id; false where the browser does not. */
export async function keepFile(id: string, file: Blob): Promise<boolean> {
  try {
    const change = (await database()).transaction(FILES, "readwrite");
    if (!(await change.store.count(id))) await change.store.put(file, id);
    await change.done;
    mediaFault.value = "";
    return true;
  } catch (error) {
    opened = null;
    mediaFault.value = error instanceof Error ? error.message || error.name : String(error);
    return false;
  }
}

export async function keptFile(id: string): Promise<Blob | undefined> {
  try {
    return (await (await database()).get(FILES, id)) as Blob | undefined;
  } catch {
    opened = null;
    return undefined;
  }
}

export async function keptIds(): Promise<string[]> {
  try {
    return (await (await database()).getAllKeys(FILES)) as string[];
  } catch {
    opened = null;
    return [];
  }
}

export async function forgetFiles(ids: string[]): Promise<void> {
  if (!ids.length) return;
  try {
    const change = (await database()).transaction(FILES, "readwrite");
    await Promise.all([...ids.map((id) => change.store.delete(id)), change.done]);
  } catch {
    opened = null; // they stay until the next sweep
  }
}
