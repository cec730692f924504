/** Where the next words are written. Enter sends them, but never while a Japanese conversion is under way. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ask, current } from "./chat";
import type { Live } from "./live";
import { Button, Fault, Icon } from "./parts";
import { enterSends } from "./prefs";
import type { Attached } from "./tree";
import { bytes, say } from "./words";

const MOST_BYTES = 1 << 20;

export function Composer({ live }: { live: Live | null }) {
  const text = useSignal("");
  const files = useSignal<Attached[]>([]);
  const fault = useSignal("");
  const over = useSignal(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);

  const send = () => {
    const words = text.value.trim();
    if (live || (!words && !files.value.length)) return;
    ask(words, files.value);
    text.value = "";
    files.value = [];
    fault.value = "";
  };
  const key = (event: KeyboardEvent) => {
    // 229: what some browsers say of the Enter that ends a conversion, after its compositionend.
    if (event.key !== "Enter" || event.isComposing || event.keyCode === 229) return;
    const asked = enterSends.value === "on" ? !event.shiftKey : event.ctrlKey || event.metaKey;
    if (!asked || event.altKey) return;
    event.preventDefault();
    send();
  };
  const take = async (list: Iterable<File>) => {
    fault.value = "";
    for (const file of list) {
      try {
        const read = await asText(file);
        files.value = [...files.value.filter((one) => one.name !== read.name), read];
      } catch (error) {
        fault.value = (error as Error).message;
      }
    }
  };
  useEffect(() => {
    const area = box.current!;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 2, innerHeight * 0.4)}px`;
  }, [text.value]);

  return (
    <form
      class={`composer ${over.value ? "over" : ""}`}
      onSubmit={(event) => { event.preventDefault(); send(); }}
      onDragOver={(event) => { event.preventDefault(); over.value = true; }}
      onDragLeave={() => (over.value = false)}
      onDrop={(event) => {
        event.preventDefault();
        over.value = false;
        void take(event.dataTransfer?.files ?? []);
      }}
    >
      <Fault text={fault.value} />
      {files.value.length ? (
        <ul class="files">
          {files.value.map((file) => (
            <li key={file.name}>
              {file.name} <small>{bytes(new Blob([file.text]).size)}</small>
              <Button
                tone="plain"
                aria-label={say("file_remove", { name: file.name })}
                onClick={() => (files.value = files.value.filter((one) => one !== file))}
              >
                <Icon name="close" />
              </Button>
            </li>
          ))}
        </ul>
      ) : null}
      <div class="writing">
        <input
          ref={picker}
          class="hidden"
          type="file"
          multiple
          tabIndex={-1}
          aria-label={say("attach")}
          onChange={(event) => {
            void take([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = "";
          }}
        />
        <Button tone="plain" aria-label={say("attach")} title={say("attach")} onClick={() => picker.current?.click()}>
          <Icon name="clip" />
        </Button>
        <textarea
          ref={box}
          rows={1}
          value={text.value}
          aria-label={say("message")}
          placeholder={say("message_hint", { model: current.value.model })}
          onInput={(event) => (text.value = event.currentTarget.value)}
          onKeyDown={key}
          onPaste={(event) => {
            const pasted = [...(event.clipboardData?.files ?? [])];
            if (!pasted.length) return;
            event.preventDefault();
            void take(pasted);
          }}
        />
        {live ? (
          <Button tone="warn" aria-label={say("stop")} title={say("stop")} onClick={() => live.stop()}>
            <Icon name="stop" />
          </Button>
        ) : (
          <button type="submit" class="button main" aria-label={say("send")} title={say("send")}>
            <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  );
}

/** Raises an Error, in words for people, for what is no text. */
async function asText(file: File): Promise<Attached> {
  if (file.size > MOST_BYTES) throw new Error(say("file_large", { name: file.name, most: bytes(MOST_BYTES) }));
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    if (text.includes("\0")) throw new TypeError();
    return { name: file.name, text };
  } catch {
    throw new Error(say("file_no_text", { name: file.name }));
  }
}
