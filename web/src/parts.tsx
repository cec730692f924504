/** Small parts that every room uses. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { words } from "./api";
import { say } from "./words";

const ICONS = {
  chat: "M4 5h16v11H9l-5 4z",
  history: "M12 7v5l3 3M4 12a8 8 0 1 0 3-6.2L4 8V4",
  models: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  library: "M5 4h4v16H5zM10 4h4v16h-4zM15.5 5l3.5-.8 3 15-3.5.8z",
  machine: "M4 5h16v10H4zM9 20h6M12 15v5M7 12l3-3 2 2 4-4",
  settings: "M12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M12 2v3M12 19v3M2 12h3M19 12h3M4.9 4.9L7 7M17 17l2.1 2.1M19.1 4.9L17 7M7 17l-2.1 2.1",
  plus: "M12 5v14M5 12h14",
  send: "M4 12l16-8-6 16-3-6z",
  stop: "M6 6h12v12H6z",
  tune: "M4 8h10M18 8h2M4 16h2M10 16h10M16 6v4M8 14v4",
  clip: "M8 12l6-6a3 3 0 0 1 4 4l-8 8a5 5 0 0 1-7-7l7-7",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15 9h.01",
  sound: "M4 10v4M8 6v12M12 3v18M16 7v10M20 10v4",
  close: "M6 6l12 12M18 6L6 18",
} as const;

export function Icon({ name }: { name: keyof typeof ICONS }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={ICONS[name]} />
    </svg>
  );
}

export function Button(props: JSX.IntrinsicElements["button"] & { tone?: "main" | "warn" | "plain" }) {
  const { tone, class: given, ...rest } = props;
  return <button type="button" class={`button ${tone ?? ""} ${given ?? ""}`} {...rest} />;
}

/** A button that does something on the server, and says so until it is done or refused. */
export function Act(props: {
  run: () => Promise<unknown>;
  children: ComponentChildren;
  tone?: "main" | "warn" | "plain";
  label?: string;
  ask?: string;
}) {
  const [busy, setBusy] = useState(false);
  const [asked, setAsked] = useState(false);
  const [fault, setFault] = useState("");
  const act = async () => {
    if (props.ask && !asked) {
      setAsked(true);
      return;
    }
    setAsked(false);
    setBusy(true);
    setFault("");
    try {
      await props.run();
    } catch (error) {
      setFault(words(error));
    }
    setBusy(false);
  };
  return (
    <span class="act">
      <Button tone={props.tone ?? "plain"} aria-label={asked ? undefined : props.label} disabled={busy} onClick={() => void act()}>
        {asked ? props.ask : props.children}
        {busy ? "…" : ""}
      </Button>
      {asked ? <Button tone="plain" onClick={() => setAsked(false)}>{say("cancel")}</Button> : null}
      {fault ? <Fault text={fault} /> : null}
    </span>
  );
}

/** Told at once where it is fresh; otherwise it stands there to be read. */
export function Fault({ text, fresh = true }: { text: string; fresh?: boolean }) {
  return text ? <p class="fault" role={fresh ? "alert" : undefined}>{text}</p> : null;
}

let entered = false;

/** Puts the focus where one goes on when a room is entered; at the first open it stays at the top of the page. */
export function useEntrance(place: { current: HTMLElement | null }): void {
  useEffect(() => {
    if (entered) place.current?.focus({ preventScroll: true });
    entered = true;
  }, []);
}

/** Its heading takes the focus when the room is entered, so that a screen reader says where one is. */
export function Room(props: { title: string; children: ComponentChildren; tools?: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEntrance(heading);
  return (
    <div class="room">
      <header class="roomhead">
        <h1 ref={heading} tabIndex={-1}>{props.title}</h1>
        {props.tools}
      </header>
      {props.children}
    </div>
  );
}

export function Field(props: { label: string; hint?: string; bad?: boolean; children: ComponentChildren }) {
  return (
    <label class={`field ${props.bad ? "bad" : ""}`}>
      <span>{props.label}</span>
      {props.children}
      {props.hint ? <small>{props.hint}</small> : null}
    </label>
  );
}

/** Reads once, and again whenever `again` is called or one of `when` changes. */
export function useRead<T>(read: () => Promise<T>, when: readonly unknown[] = []) {
  const [found, setFound] = useState<T | null>(null);
  const [fault, setFault] = useState("");
  const turn = useRef(0);
  const again = async () => {
    const mine = ++turn.current;
    try {
      const value = await read();
      if (mine === turn.current) {
        setFound(value);
        setFault("");
      }
    } catch (error) {
      if (mine === turn.current) setFault(words(error));
    }
  };
  useEffect(() => void again(), when);
  return { found, fault, again };
}

/** Calls `tick` now and then while the page is seen, and not at all while it is hidden. */
export function useWatch(tick: () => Promise<unknown>, everyMs: number): void {
  useEffect(() => {
    let timer = 0;
    let over = false;
    const step = async () => {
      clearTimeout(timer);
      if (document.hidden || over) return;
      await tick();
      if (!over && !document.hidden) timer = window.setTimeout(() => void step(), everyMs);
    };
    const seen = () => void step();
    document.addEventListener("visibilitychange", seen);
    void step();
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, []);
}

export function saved(name: string, type: string, parts: BlobPart[]): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Copies a text; false where the browser does not let it, as where the page comes by plain HTTP from another machine. */
export async function clipped(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
