/** The room of kept conversations: search, rename, delete, export, import. */

import { useSignal } from "@preact/signals";
import { current } from "../chat";
import { asBase64, imported as importedFile } from "../media";
import { Act, Button, Fault, Room, saved, useRead } from "../parts";
import { all, changed, changes, forget, keep, rename } from "../store";
import { markdown, mediaOf, parsed, path, type Conversation } from "../tree";
import { say, when } from "../words";

const RECENT = 12;
const FORMAT = "hoshikage-conversations";

/** The newest few, beside every room where there is width for it. */
export function Recent() {
  const { found } = useRead(all, [changes.value]);
  if (!found?.length) return null;
  return (
    <section class="recent" aria-label={say("recent")}>
      <h2>{say("recent")}</h2>
      <ul>
        {found.slice(0, RECENT).map((one) => (
          <li key={one.id}>
            <a href={`#/chat/${one.id}`} aria-current={one.id === current.value.id ? "true" : undefined}>
              {one.title || "…"}
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function History() {
  const { found } = useRead(all, [changes.value]);
  const sought = useSignal("");
  const fault = useSignal("");
  const told = useSignal("");
  const shown = (found ?? []).filter((one) => holds(one, sought.value));

  const take = async (files: FileList | null) => {
    fault.value = told.value = "";
    let count = 0;
    for (const file of files ?? []) {
      const read = imported(await file.text().catch(() => ""));
      if (!read) fault.value = say("import_fault", { name: file.name });
      for (const one of read?.conversations ?? []) {
        await keep(one);
        count += 1;
      }
      for (const [id, text] of read?.media ?? []) await importedFile(id, text); // after what names them
      if (read?.media.length) changed();
    }
    if (count) told.value = say("imported", { count });
  };

  return (
    <Room
      title={say("room_history")}
      tools={
        <div class="row">
          <label class="button">
            {say("import")}
            <input
              class="hidden"
              type="file"
              accept=".json,application/json"
              multiple
              onChange={(event) => {
                void take(event.currentTarget.files).then(() => undefined);
              }}
            />
          </label>
          {found?.length ? (
            <Act tone="plain" run={async () => saved("hoshikage.json", "application/json", await exported(found))}>
              {say("export_all")}
            </Act>
          ) : null}
        </div>
      }
    >
      <p class="hint">{say("history_hint")}</p>
      <Fault text={fault.value} />
      <p role="status">{told.value}</p>
      <input
        type="search"
        class="search"
        aria-label={say("search")}
        placeholder={say("search")}
        value={sought.value}
        onInput={(event) => (sought.value = event.currentTarget.value)}
      />
      {found && !shown.length ? <p>{say(sought.value ? "nothing_found" : "no_history")}</p> : null}
      <ul class="cards">
        {shown.map((one) => <Kept key={one.id} conversation={one} />)}
      </ul>
    </Room>
  );
}

function Kept({ conversation }: { conversation: Conversation }) {
  const title = useSignal<string | null>(null);
  const named = conversation.title || "…";
  const done = async () => {
    const next = title.value?.trim();
    title.value = null;
    if (next && next !== conversation.title) await rename(conversation.id, next);
  };
  return (
    <li class="card">
      {title.value === null ? (
        <a class="cardtitle" href={`#/chat/${conversation.id}`}>{named}</a>
      ) : (
        <form class="row" onSubmit={(event) => { event.preventDefault(); void done(); }}>
          <input
            aria-label={say("rename")}
            value={title.value}
            ref={(box) => box?.focus()}
            onInput={(event) => (title.value = event.currentTarget.value)}
            onKeyDown={(event) => { if (event.key === "Escape") title.value = null; }}
          />
          <button type="submit" class="button main">{say("rename")}</button>
        </form>
      )}
      <small>
        {when(conversation.changed)} · {conversation.model} · {say("turn_count", { count: path(conversation).length })}
      </small>
      <div class="row">
        <Button aria-label={`${say("rename")}: ${named}`} onClick={() => (title.value = conversation.title)}>{say("rename")}</Button>
        <Button
          aria-label={`Markdown: ${named}`}
          onClick={() => saved(`${file(conversation)}.md`, "text/markdown", [markdown(conversation)])}
        >
          Markdown
        </Button>
        <Act
          label={`JSON: ${named}`}
          run={async () => saved(`${file(conversation)}.json`, "application/json", await exported([conversation]))}
        >
          JSON
        </Act>
        <Act tone="warn" ask={say("delete_sure")} label={`${say("delete")}: ${named}`} run={() => forget(conversation.id)}>
          {say("delete")}
        </Act>
      </div>
    </li>
  );
}

function holds(conversation: Conversation, sought: string): boolean {
  const words = sought.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return true;
  const text = [conversation.title, ...Object.values(conversation.turns).map((turn) => turn.text)].join("\n").toLocaleLowerCase();
  return words.every((word) => text.includes(word));
}

function file(conversation: Conversation): string {
  return conversation.title.replace(/[^\p{L}\p{N}_-]+/gu, "-").slice(0, 40) || "hoshikage";
}

/** The file in parts, so that no text has to hold all its pictures and sounds. */
async function exported(conversations: Conversation[]): Promise<BlobPart[]> {
  const media: BlobPart[] = [];
  for (const id of new Set(conversations.flatMap(mediaOf))) {
    const text = await asBase64(id);
    if (text !== null) media.push(new Blob([`${media.length ? "," : ""}\n    ${JSON.stringify(id)}: "${text}"`]));
  }
  const text = JSON.stringify({ format: FORMAT, version: 1, conversations }, null, 2);
  return media.length ? [text.slice(0, text.lastIndexOf("\n")), ',\n  "media": {', ...media, "\n  }\n}\n"] : [`${text}\n`];
}

/** The conversations of a file, and the pictures and sounds that they name; null where it holds anything else. */
function imported(text: string): { conversations: Conversation[]; media: [string, string][] } | null {
  try {
    const found = JSON.parse(text) as { format?: string; version?: number; conversations?: unknown[]; media?: object };
    if (found.format !== FORMAT || found.version !== 1 || !Array.isArray(found.conversations)) return null;
    const conversations = found.conversations.map(parsed).filter((one) => one !== null);
    if (conversations.length < found.conversations.length) return null;
    const named = new Set(conversations.flatMap(mediaOf));
    const media = Object.entries(found.media ?? {}).filter(
      (pair): pair is [string, string] => named.has(pair[0]) && isBase64(pair[1]),
    );
    return { conversations, media };
  } catch {
    return null;
  }
}

function isBase64(text: unknown): boolean {
  return typeof text === "string" && text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}
