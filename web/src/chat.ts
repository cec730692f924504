/** The conversation that is shown, and the answers that are on their way. */

import { computed, signal } from "@preact/signals";
import { get, words, type Model } from "./api";
import { fields } from "./controls";
import type { Kind } from "./formats";
import { Live } from "./live";
import { packed, shelve } from "./media";
import { lastModel } from "./prefs";
import { changed, changes, keep, one } from "./store";
import { added, fresh, merged, messages, path, titled, type Attached, type Conversation, type Medium, type Turn } from "./tree";

const SAVE_MS = 2000;

export const models = signal<Model[]>([]);
export const modelsFault = signal("");
/** The conversation is changed in place; each change makes a new object around it, so that the page follows. */
export const current = signal<Conversation>(fresh(lastModel.value));
/** What the chosen model takes beside text; null while nothing is known of it. */
export const senses = computed<ReadonlySet<Kind> | null>(() => sensesOf(current.value.model));
/** Answers that come, by the id of their turn; they go on while another conversation is shown. */
export const lives = signal<ReadonlyMap<string, Live>>(new Map());

function sensesOf(name: string): ReadonlySet<Kind> | null {
  const model = models.value.find((one) => one.id === name);
  const takes = model?.architecture?.input_modalities ?? [];
  return model ? new Set((["image", "audio"] as const).filter((kind) => takes.includes(kind))) : null;
}

export async function readModels(): Promise<void> {
  try {
    models.value = (await get<{ data: Model[] }>("/v1/models")).data;
    modelsFault.value = "";
  } catch (error) {
    modelsFault.value = words(error);
    return;
  }
  const names = models.value.filter((model) => model.available !== false).map((model) => model.id);
  if (!names.includes(current.value.model) && !Object.keys(current.value.turns).length && names[0]) {
    update((conversation) => (conversation.model = names.includes(lastModel.value) ? lastModel.value : names[0]!));
  }
}

export function update(change: (conversation: Conversation) => void): void {
  change(current.value);
  current.value = { ...current.value };
  if (underway.has(current.value.id)) underway.set(current.value.id, current.value);
}

export function begin(): void {
  current.value = fresh(lastModel.value || models.value[0]?.id || "");
  void readModels();
}

/** Shows a kept conversation; false where there is none of that id. */
export async function open(id: string): Promise<boolean> {
  if (current.value.id === id) return true;
  const running = underway.get(id);
  const found = running ?? (await one(id));
  if (found) current.value = found;
  return found !== undefined;
}

/** Conversations with an answer on its way: the object that the answer writes into. */
const underway = new Map<string, Conversation>();

/** Another tab changed the store: what it added to this conversation is taken over, unless an answer is under way. */
changes.subscribe(() => {
  const { id, turns } = current.peek();
  if (!Object.keys(turns).length || underway.has(id)) return;
  void one(id).then((there) => {
    const mine = current.peek();
    if (!there || mine.id !== id || underway.has(id)) return;
    const news = Object.keys(there.turns).some((turn) => mine.turns[turn]?.text.length !== there.turns[turn]!.text.length);
    if (news) current.value = { ...merged(mine, there), leaf: mine.turns[there.leaf ?? ""] ? mine.leaf : there.leaf };
    else if (there.title !== mine.title) current.value = { ...mine, title: there.title };
  });
});

export interface Said {
  text: string;
  files?: Attached[] | undefined;
  media?: Medium[] | undefined;
}

export function ask({ text, files, media }: Said, parent: string | null = current.value.leaf): void {
  update((conversation) => {
    conversation.title ||= titled(text || files?.[0]?.name || media?.[0]?.name || "");
    const beside = { ...(files?.length ? { files } : {}), ...(media?.length ? { media } : {}) };
    added(conversation, { parent, role: "user", text, ...beside });
  });
  answer();
}

export function tell(results: { id: string; name: string; text: string }[]): void {
  update((conversation) => void added(conversation, { parent: conversation.leaf, role: "tool", text: "", results }));
  answer();
}

/** Another answer beside this one. */
export function regenerate(turn: Turn): void {
  update((conversation) => (conversation.leaf = turn.parent));
  answer();
}

/** Goes on with an answer that was cut. */
export function resume(turn: Turn): void {
  update((conversation) => (conversation.leaf = turn.id));
  delete turn.finish;
  void run(current.value, turn);
}

function answer(): void {
  const conversation = current.value;
  const turn = added(conversation, { parent: conversation.leaf, role: "assistant", text: "", model: conversation.model });
  current.value = { ...conversation };
  void run(current.value, turn);
}

async function run(conversation: Conversation, turn: Turn): Promise<void> {
  const branch = path(conversation, turn.text ? turn.id : turn.parent);
  const live = new Live(turn);
  change(turn.id, live);
  underway.set(conversation.id, conversation);
  lastModel.value = conversation.model;
  const saving = setInterval(() => {
    live.settle();
    void keep(underway.get(conversation.id)!);
  }, SAVE_MS);
  void keep(conversation).then(async (kept) => {
    if (kept && (await shelve(branch))) changed(); // a file that nothing names would be swept away
  });
  try {
    const { files, leftOut } = await packed(branch, conversation.model, sensesOf(conversation.model));
    const body = {
      model: conversation.model,
      messages: messages(conversation, branch, files),
      stream: true,
      stream_options: { include_usage: true },
      timings: true,
      ...fields(conversation.controls),
    };
    await live.run(body, leftOut);
  } catch (error) {
    turn.finish = "failed";
    turn.error = words(error); // a box that holds no JSON, a picture that is there no more
  } finally {
    clearInterval(saving);
  }
  const ended = { ...underway.get(conversation.id)!, changed: Date.now() };
  underway.delete(conversation.id);
  change(turn.id, null);
  if (current.value.id === ended.id) current.value = ended;
  await keep(ended);
}

function change(id: string, live: Live | null): void {
  const next = new Map(lives.value);
  if (live) next.set(id, live);
  else next.delete(id);
  lives.value = next;
}

addEventListener("pagehide", () => {
  for (const conversation of underway.values()) {
    for (const live of lives.value.values()) live.settle();
    void keep(conversation);
  }
});
