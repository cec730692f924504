/** Where the next words are written. Enter sends them, but never while a Japanese conversion is under way. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { Attachments, unread } from "./attachments";
import { ask, current, senses } from "./chat";
import { accepted, kindOf } from "./formats";
import type { Live } from "./live";
import { Button, Fault, Icon } from "./parts";
import { enterSends } from "./prefs";
import { Tiles } from "./tiles";
import type { Attached, Medium } from "./tree";
import { bytes, say, type Word } from "./words";

export function Composer({ live }: { live: Live | null }) {
  const text = useSignal("");
  const over = useSignal(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const [given] = useState(() => new Attachments());
  const files = given.files.value;
  const media = given.media.value;
  /** The model may have been changed since they were attached. */
  const unfit = [...new Set(media.map((one) => unread(kindOf(one.format))))].filter(Boolean).join("\n");
  const reading = given.reading.value > 0;

  const send = () => {
    const words = text.value.trim();
    if (live || reading || unfit || (!words && !files.length && !media.length)) return;
    ask({ text: words, files, media });
    text.value = "";
    given.clear();
  };
  const remove = (one: Attached | Medium) => {
    given.remove(one);
    box.current!.focus(); // its button has gone
  };
  const key = (event: KeyboardEvent) => {
    // 229: what some browsers say of the Enter that ends a conversion, after its compositionend.
    if (event.key !== "Enter" || event.isComposing || event.keyCode === 229) return;
    const asked = enterSends.value === "on" ? !event.shiftKey : event.ctrlKey || event.metaKey;
    if (!asked || event.altKey) return;
    event.preventDefault();
    send();
  };
  useEffect(() => {
    const area = box.current!;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight + 2, innerHeight * 0.4)}px`;
  }, [text.value]);

  useEffect(() => dropping((list) => given.take(list), (hovers) => (over.value = hovers)), []);
  useEffect(() => () => given.leave(), []);

  return (
    <form class={`composer ${over.value ? "over" : ""}`} onSubmit={(event) => { event.preventDefault(); send(); }}>
      <Fault text={given.fault.value} />
      <Fault text={unfit} />
      <p class={reading ? "hint" : "hidden"} role="status">
        {reading ? say("media_reading") : files.length + media.length ? say("attached", { count: files.length + media.length }) : ""}
      </p>
      <Tiles media={media} remove={remove} />
      {files.length ? (
        <ul class="files">
          {files.map((file) => (
            <li key={file.name}>
              {file.name} <small>{bytes(new Blob([file.text]).size)}</small>
              <Button tone="plain" aria-label={say("file_remove", { name: file.name })} onClick={() => remove(file)}>
                <Icon name="close" />
              </Button>
            </li>
          ))}
        </ul>
      ) : null}
      <div class="writing">
        <Picker label="attach" icon="clip" accept="" take={(list) => given.take(list)} />
        <MediaPicker given={given} />
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
            if (!pasted.length || isFormatted(event.clipboardData!)) return;
            event.preventDefault();
            given.take(pasted);
          }}
        />
        {live ? (
          <Button tone="warn" aria-label={say("stop")} title={say("stop")} onClick={() => live.stop()}>
            <Icon name="stop" />
          </Button>
        ) : (
          <button type="submit" class="button main" disabled={reading || unfit !== ""} aria-label={say("send")} title={say("send")}>
            <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  );
}

/** Words of an office program come with a picture of themselves: the words are meant. */
function isFormatted(pasted: DataTransfer): boolean {
  return pasted.types.includes("text/plain") && pasted.types.includes("text/html");
}

/** A button that opens the system's file chooser. */
function Picker(props: { label: Word; icon: "clip" | "picture" | "sound"; accept: string; take: (list: File[]) => void }) {
  const chooser = useRef<HTMLInputElement>(null);
  const label = say(props.label);
  return (
    <>
      <input
        ref={chooser}
        hidden
        type="file"
        multiple
        accept={props.accept}
        onChange={(event) => {
          props.take([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
      <Button tone="plain" aria-label={label} title={label} onClick={() => chooser.current?.click()}>
        <Icon name={props.icon} />
      </Button>
    </>
  );
}

/** Where the model takes neither pictures nor sound, the button stays where it is and says why. */
function MediaPicker({ given }: { given: Attachments }) {
  const able = senses.value;
  if (!able) return null;
  if (!able.size) {
    const why = say("no_media", { model: current.value.model });
    return (
      <>
        <Button
          tone="plain"
          class="off"
          aria-disabled="true"
          aria-label={say("attach_pictures")}
          aria-describedby="no-media"
          title={why}
          onClick={() => (given.fault.value = why)}
        >
          <Icon name="picture" />
        </Button>
        <span id="no-media" class="hidden">{why}</span>
      </>
    );
  }
  const label = !able.has("audio") ? "attach_pictures" : able.has("image") ? "attach_media" : "attach_sound";
  const icon = able.has("image") ? "picture" : "sound";
  return <Picker label={label} icon={icon} accept={accepted(able)} take={(list) => given.take(list)} />;
}

/** Files may be dropped anywhere on the page while one writes; elsewhere the browser would open them in its place. */
function dropping(take: (list: File[]) => void, hovering: (hovers: boolean) => void): () => void {
  const over = (event: DragEvent) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    hovering(true);
  };
  const left = (event: DragEvent) => {
    if (!event.relatedTarget) hovering(false); // it has left the window
  };
  const drop = (event: DragEvent) => {
    hovering(false);
    const files = [...(event.dataTransfer?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    take(files);
  };
  document.addEventListener("dragover", over);
  document.addEventListener("dragleave", left);
  document.addEventListener("drop", drop);
  return () => {
    document.removeEventListener("dragover", over);
    document.removeEventListener("dragleave", left);
    document.removeEventListener("drop", drop);
  };
}
