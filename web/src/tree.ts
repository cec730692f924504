/** A conversation: turns that form a tree, of which one branch is shown. Pure functions. */

import { FORMATS, isFormat, kindOf, type Format } from "./formats";
import { newId } from "./ids";

export interface Call {
  id: string;
  name: string;
  arguments: string;
}

export interface Stats {
  promptTokens: number;
  tokens: number;
  perSecond: number;
  firstMs: number;
  queueMs: number;
  loadMs: number;
}

export interface Attached {
  name: string;
  text: string;
}

/** A picture or a sound; its file is kept apart, under this id. */
export interface Medium {
  id: string;
  name: string;
  format: Format;
  size: number;
}

export interface Turn {
  id: string;
  parent: string | null;
  role: "user" | "assistant" | "tool";
  made: number;
  text: string;
  files?: Attached[];
  media?: Medium[];
  /** Of a `tool` turn: what each call gave. */
  results?: { id: string; name: string; text: string }[];
  thoughts?: string;
  thoughtMs?: number;
  calls?: Call[];
  model?: string;
  /** `stop`, `length`, `tool_calls`, `stopped` (by the user), `failed`; absent: it was not heard to its end. */
  finish?: string;
  error?: string;
  /** What the answer was made without, in words. */
  warning?: string;
  stats?: Stats;
}

export type Controls = Record<string, string>;

export interface Conversation {
  id: string;
  title: string;
  made: number;
  changed: number;
  model: string;
  system: string;
  controls: Controls;
  turns: Record<string, Turn>;
  leaf: string | null;
}

export function fresh(model: string): Conversation {
  const now = Date.now();
  return {
    id: newId(), title: "", made: now, changed: now, model, system: "", controls: {}, turns: {}, leaf: null,
  };
}

/** From the first turn to the one that is shown last. */
export function path(conversation: Conversation, leaf: string | null = conversation.leaf): Turn[] {
  const found: Turn[] = [];
  const seen = new Set<string>();
  for (let id = leaf; id !== null && !seen.has(id); ) {
    const turn: Turn | undefined = conversation.turns[id];
    if (!turn) break;
    seen.add(id);
    found.unshift(turn);
    id = turn.parent;
  }
  return found;
}

export function siblings(conversation: Conversation, turn: Turn): Turn[] {
  return Object.values(conversation.turns)
    .filter((other) => other.parent === turn.parent)
    .sort((a, b) => a.made - b.made || (a.id < b.id ? -1 : 1));
}

/** The newest end of the branches that begin with a turn. */
export function newest(conversation: Conversation, id: string): string {
  const seen = new Set<string>();
  for (let at = id; ; ) {
    seen.add(at);
    const next = Object.values(conversation.turns)
      .filter((turn) => turn.parent === at && !seen.has(turn.id))
      .sort((a, b) => b.made - a.made)[0];
    if (!next) return at;
    at = next.id;
  }
}

export function added(conversation: Conversation, turn: Omit<Turn, "id" | "made">): Turn {
  const last = Math.max(0, ...Object.values(conversation.turns).map((other) => other.made));
  const made: Turn = { ...turn, id: newId(), made: Math.max(Date.now(), last + 1) };
  conversation.turns[made.id] = made;
  conversation.leaf = made.id;
  conversation.changed = Date.now();
  return made;
}

/** Both tabs' turns: what either has is kept; of a turn that both have, the one that is further. */
export function merged(mine: Conversation, theirs: Conversation | undefined): Conversation {
  if (!theirs) return mine;
  const turns = { ...theirs.turns };
  for (const turn of Object.values(mine.turns)) {
    const other = turns[turn.id];
    if (!other || turn.finish !== undefined || turn.text.length >= other.text.length) turns[turn.id] = turn;
  }
  return { ...mine, turns };
}

/** The ids of all pictures and sounds of a conversation. */
export function mediaOf(conversation: Conversation): string[] {
  return Object.values(conversation.turns).flatMap((turn) => turn.media?.map((one) => one.id) ?? []);
}

/** What a request says of a branch; `files` has the pictures and sounds that it takes, as base64 by their ids. */
export function messages(conversation: Conversation, branch: Turn[], files: ReadonlyMap<string, string>): unknown[] {
  const found: unknown[] = [];
  if (conversation.system.trim()) found.push({ role: "system", content: conversation.system });
  for (const turn of branch) {
    if (turn.role === "user") found.push({ role: "user", content: content(turn, files) });
    else if (turn.role === "tool") {
      for (const result of turn.results ?? []) {
        found.push({ role: "tool", tool_call_id: result.id, name: result.name, content: result.text });
      }
    } else found.push(assistant(turn));
  }
  return found;
}

/** Pictures and sounds go before the words; where one has no file, the model reads what the server would put there. */
function content(turn: Turn, files: ReadonlyMap<string, string>): unknown {
  const words = withFiles(turn);
  if (!turn.media?.length) return words;
  const parts = turn.media.map(({ id, format }) => {
    const data = files.get(id);
    if (data === undefined) return { type: "text", text: `[${kindOf(format)} left out: it cannot be used]` };
    return kindOf(format) === "image"
      ? { type: "image_url", image_url: { url: `data:${FORMATS[format]};base64,${data}` } }
      : { type: "input_audio", input_audio: { data, format } };
  });
  return words ? [...parts, { type: "text", text: words }] : parts;
}

function assistant(turn: Turn): unknown {
  if (!turn.calls?.length) return { role: "assistant", content: turn.text };
  return {
    role: "assistant",
    content: turn.text || null,
    ...(turn.thoughts ? { reasoning_content: turn.thoughts } : {}),
    tool_calls: turn.calls.map((call) => ({
      id: call.id, type: "function", function: { name: call.name, arguments: call.arguments },
    })),
  };
}

/** Files go before the words, each in a fence that is longer than any in it. */
function withFiles(turn: Turn): string {
  const parts = (turn.files ?? []).map((file) => {
    const longest = Math.max(2, ...(file.text.match(/`+/g) ?? []).map((run) => run.length));
    const fence = "`".repeat(longest + 1);
    return `${file.name}:\n${fence}\n${file.text}\n${fence}\n`;
  });
  return [...parts, turn.text].filter(Boolean).join("\n");
}

export function titled(text: string): string {
  const line = text.trim().split("\n")[0] ?? "";
  const letters = [...line];
  return letters.length > 48 ? `${letters.slice(0, 47).join("")}…` : line;
}

/** Told as Markdown, the branch that is shown. */
export function markdown(conversation: Conversation): string {
  const parts = [`# ${conversation.title || "…"}`];
  if (conversation.system.trim()) parts.push("## system", conversation.system);
  for (const turn of path(conversation)) {
    parts.push(`## ${turn.role}${turn.model ? ` (${turn.model})` : ""}`);
    if (turn.role === "user") parts.push(...(turn.media ?? []).map((one) => `[${one.name}]`), withFiles(turn));
    else if (turn.role === "tool") parts.push(...(turn.results ?? []).map((one) => `${one.name}: ${one.text}`));
    else {
      if (turn.text) parts.push(turn.text);
      parts.push(...(turn.calls ?? []).map((call) => `\`${call.name}(${call.arguments})\``));
    }
  }
  return `${parts.join("\n\n")}\n`;
}

/** A conversation of a file, if it is one. */
export function parsed(value: unknown): Conversation | null {
  if (typeof value !== "object" || value === null) return null;
  const found = value as Partial<Conversation>;
  if (typeof found.id !== "string" || !/^[\w-]{1,64}$/.test(found.id)) return null;
  if (typeof found.turns !== "object" || found.turns === null) return null;
  const turns: Record<string, Turn> = Object.create(null) as Record<string, Turn>;
  for (const [id, raw] of Object.entries(found.turns)) {
    const turn = parsedTurn(id, raw);
    if (!turn) return null;
    turns[id] = turn;
  }
  const text = (one: unknown): string => (typeof one === "string" ? one : "");
  const time = (one: unknown): number => (typeof one === "number" && Number.isFinite(one) ? one : Date.now());
  const controls = Object.fromEntries(
    Object.entries(found.controls ?? {}).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
  );
  return {
    id: found.id,
    title: text(found.title),
    made: time(found.made),
    changed: time(found.changed),
    model: text(found.model),
    system: text(found.system),
    controls,
    turns: { ...turns },
    leaf: typeof found.leaf === "string" && found.leaf in turns ? found.leaf : null,
  };
}

function parsedTurn(id: string, raw: unknown): Turn | null {
  const turn = raw as Partial<Turn> | null;
  if (typeof turn !== "object" || turn === null || turn.id !== id || !/^[\w-]{1,64}$/.test(id)) return null;
  if (typeof turn.text !== "string" || typeof turn.made !== "number") return null;
  if (turn.parent !== null && typeof turn.parent !== "string") return null;
  if (!["user", "assistant", "tool"].includes(turn.role ?? "")) return null;
  const all = <T>(value: unknown, good: (one: T) => boolean): T[] | undefined =>
    Array.isArray(value) && value.every((one) => typeof one === "object" && one !== null && good(one as T))
      ? (value as T[])
      : undefined;
  const files = all<Attached>(turn.files, (one) => typeof one.name === "string" && typeof one.text === "string");
  const media = all<Medium>(turn.media, (one) =>
    typeof one.id === "string" && /^[\w-]{1,64}$/.test(one.id) && typeof one.name === "string" &&
    isFormat(one.format) && Number.isFinite(one.size) && one.size >= 0,
  );
  const calls = all<Call>(turn.calls, (one) => [one.id, one.name, one.arguments].every((it) => typeof it === "string"));
  const results = all<{ id: string; name: string; text: string }>(turn.results, (one) =>
    [one.id, one.name, one.text].every((it) => typeof it === "string"),
  );
  const stats = turn.stats && Object.values(turn.stats).every((one) => typeof one === "number") ? turn.stats : null;
  return {
    id,
    parent: turn.parent,
    role: turn.role as Turn["role"],
    made: turn.made,
    text: turn.text,
    ...(files ? { files } : {}),
    ...(media ? { media } : {}),
    ...(calls ? { calls } : {}),
    ...(results ? { results } : {}),
    ...(stats ? { stats } : {}),
    ...(typeof turn.thoughts === "string" ? { thoughts: turn.thoughts } : {}),
    ...(typeof turn.thoughtMs === "number" ? { thoughtMs: turn.thoughtMs } : {}),
    ...(typeof turn.model === "string" ? { model: turn.model } : {}),
    ...(typeof turn.finish === "string" ? { finish: turn.finish } : {}),
    ...(typeof turn.error === "string" ? { error: turn.error } : {}),
    ...(typeof turn.warning === "string" ? { warning: turn.warning } : {}),
  };
}
