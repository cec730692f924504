/** One turn of a conversation on the page. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ask, current, lives, regenerate, resume, tell, update } from "./chat";
import { Flow, show } from "./flow";
import type { Live } from "./live";
import { Button, clipped, Fault } from "./parts";
import { Tiles } from "./tiles";
import { newest, siblings, type Call, type Medium, type Turn } from "./tree";
import { bytes, number, say, seconds } from "./words";

export function UserTurn({ turn }: { turn: Turn }) {
  const draft = useSignal<string | null>(null);
  const media = useSignal<Medium[]>([]);
  const edit = () => {
    media.value = turn.media ?? [];
    draft.value = turn.text;
  };
  const send = () => {
    const text = draft.value!.trim();
    draft.value = null;
    if (text || turn.files?.length || media.value.length) ask({ text, files: turn.files, media: media.value }, turn.parent);
  };
  return (
    <article class="turn user" aria-label={say("you")}>
      {turn.files?.map((file) => <Attachment key={file.name} name={file.name} text={file.text} />)}
      {draft.value === null ? (
        <>
          <Tiles media={turn.media} />
          {turn.text || !turn.media?.length ? <div class="said">{turn.text}</div> : null}
        </>
      ) : (
        <div class="editing">
          <Tiles media={media.value} remove={(one) => (media.value = media.value.filter((other) => other !== one))} />
          <textarea
            aria-label={say("edit")}
            value={draft.value}
            rows={4}
            onInput={(event) => (draft.value = event.currentTarget.value)}
            ref={(box) => box?.focus()}
          />
          <div class="row">
            <Button tone="main" onClick={send}>{say("send_branch")}</Button>
            <Button onClick={() => (draft.value = null)}>{say("cancel")}</Button>
          </div>
        </div>
      )}
      <div class="row tools">
        <Branches turn={turn} />
        {draft.value === null ? (
          <Button tone="plain" disabled={busy()} onClick={edit}>{say("edit")}</Button>
        ) : null}
      </div>
    </article>
  );
}

function busy(): boolean {
  return Object.keys(current.value.turns).some((id) => lives.value.has(id));
}

function Attachment({ name, text }: { name: string; text: string }) {
  return (
    <details class="attachment">
      <summary>{name} <small>{bytes(new Blob([text]).size)}</small></summary>
      <pre tabIndex={0}>{text}</pre>
    </details>
  );
}

/** Which of several turns in the same place is shown. */
function Branches({ turn }: { turn: Turn }) {
  const all = siblings(current.value, turn);
  if (all.length < 2) return null;
  const at = all.findIndex((one) => one.id === turn.id);
  const go = (step: number) => {
    const other = all[at + step];
    if (other) update((conversation) => (conversation.leaf = newest(conversation, other.id)));
  };
  return (
    <span class="branches" role="group" aria-label={say("branches")}>
      <Button tone="plain" aria-label={say("branch_before")} disabled={at === 0 || busy()} onClick={() => go(-1)}>‹</Button>
      <span aria-live="polite">{at + 1} / {all.length}</span>
      <Button tone="plain" aria-label={say("branch_after")} disabled={at === all.length - 1 || busy()} onClick={() => go(1)}>›</Button>
    </span>
  );
}

export function AnswerTurn({ turn, live, last }: { turn: Turn; live: Live | null; last: boolean }) {
  return (
    <article class="turn answer" aria-label={turn.model || say("answer")}>
      <p class="who">{turn.model}</p>
      <Body turn={turn} live={live} />
      {live ? (
        <Progress live={live} />
      ) : (
        <>
          {turn.finish === "failed" ? <Fault text={turn.error || say("answer_broken")} /> : null}
          <div class="row tools">
            <Branches turn={turn} />
            <Measured turn={turn} />
            <Deeds turn={turn} last={last} />
          </div>
          {last && turn.calls?.length && turn.finish !== "failed" ? <Results calls={turn.calls} /> : null}
        </>
      )}
    </article>
  );
}

function Deeds({ turn, last }: { turn: Turn; last: boolean }) {
  const cut = turn.finish === undefined || ["length", "stopped", "failed"].includes(turn.finish);
  const copied = useSignal<"copy" | "copied" | "copy_failed">("copy");
  const copy = async () => {
    copied.value = (await clipped(turn.text)) ? "copied" : "copy_failed";
    setTimeout(() => (copied.value = "copy"), 2000);
  };
  return (
    <>
      {turn.text ? <Button tone="plain" onClick={() => void copy()}>{say(copied.value)}</Button> : null}
      <Button tone="plain" disabled={busy()} onClick={() => regenerate(turn)}>{say("regenerate")}</Button>
      {last && cut && turn.text && !turn.calls?.length ? (
        <Button tone="plain" disabled={busy()} onClick={() => resume(turn)}>{say("continue")}</Button>
      ) : null}
    </>
  );
}

function Measured({ turn }: { turn: Turn }) {
  const stats = turn.stats;
  if (!stats?.tokens) return turn.finish === "stopped" ? <small class="stats">{say("stopped")}</small> : null;
  const parts = [
    say("stat_tokens", { count: number(stats.tokens, 0), prompt: number(stats.promptTokens, 0) }),
    stats.perSecond > 0 ? say("stat_speed", { speed: number(stats.perSecond) }) : "",
    say("stat_first", { time: seconds(stats.firstMs + stats.queueMs + stats.loadMs) }),
    turn.finish === "length" ? say("cut") : turn.finish === "stopped" ? say("stopped") : "",
  ];
  return <small class="stats">{parts.filter(Boolean).join(" · ")}</small>;
}

function Thoughts(props: { ms: number; open: boolean; children: preact.ComponentChildren }) {
  return (
    <details class="thoughts">
      <summary>{props.open ? say("thinking") : say("thought", { time: seconds(props.ms) })}</summary>
      {props.children}
    </details>
  );
}

/** What the answer says. While it comes, text goes from the stream to the page past the components; at its end all that
 * stands stays where it is. */
function Body({ turn, live }: { turn: Turn; live: Live | null }) {
  const thinking = live?.waiting.value.step === "thinking";
  const thought = live ? live.thoughtMs.value > 0 || thinking : Boolean(turn.thoughts);
  const calls = live ? (live.callCount.value ? live.calls : []) : (turn.calls ?? []);
  return (
    <>
      <div class={thought ? "" : "gone"}>
        <Thoughts ms={live?.thoughtMs.value ?? turn.thoughtMs ?? 0} open={thinking}>
          <Prose live={live} part="thoughts" text={turn.thoughts ?? ""} />
        </Thoughts>
      </div>
      <Prose live={live} part="text" text={turn.text} />
      {calls.map((call) => <CallView key={call.id} call={{ ...call }} />)}
      <Fault text={live ? live.warning.value : (turn.warning ?? "")} fresh={live !== null} />
    </>
  );
}

function Prose({ live, part, text }: { live: Live | null; part: "text" | "thoughts"; text: string }) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef("");
  useEffect(() => {
    if (!live) return undefined;
    box.current!.replaceChildren();
    const flow = new Flow(box.current!);
    const draw = () => {
      if (live[part]) flow.grow(live[part]);
    };
    draw();
    const unheed = live.heed(draw);
    return () => {
      unheed();
      flow.finish(live[part]);
      drawn.current = live[part];
    };
  }, [live]);
  useEffect(() => {
    if (live || drawn.current === text) return;
    show(box.current!, text);
    drawn.current = text;
  }, [live, text]);
  return <div class="prose" ref={box} />;
}

function CallView({ call }: { call: Call }) {
  return (
    <div class="call">
      <p><strong>{say("call")}</strong> <code>{call.name}</code></p>
      <pre tabIndex={0}><code>{pretty(call.arguments)}</code></pre>
    </div>
  );
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** What the calls gave, told by the user: the page itself calls nothing. */
function Results({ calls }: { calls: Call[] }) {
  const texts = useSignal<Record<string, string>>({});
  const send = () => tell(calls.map(({ id, name }) => ({ id, name, text: texts.value[id] ?? "" })));
  return (
    <form class="results" onSubmit={(event) => { event.preventDefault(); send(); }}>
      {calls.map((call) => (
        <label class="field" key={call.id}>
          <span>{say("call_result", { name: call.name })}</span>
          <textarea
            rows={2}
            value={texts.value[call.id] ?? ""}
            onInput={(event) => (texts.value = { ...texts.value, [call.id]: event.currentTarget.value })}
          />
        </label>
      ))}
      <button type="submit" class="button main">{say("send_results")}</button>
    </form>
  );
}

export function ResultTurn({ turn }: { turn: Turn }) {
  return (
    <article class="turn tool" aria-label={say("call_results")}>
      {turn.results?.map((one) => (
        <div class="call" key={one.id}>
          <p>{say("call_result", { name: one.name })}</p>
          <pre tabIndex={0}>{one.text}</pre>
        </div>
      ))}
    </article>
  );
}

function Progress({ live }: { live: Live }) {
  const { step, place, percent } = live.waiting.value;
  const words =
    step === "queue" ? say("wait_queue", { place: place ?? "" })
    : step === "loading" ? say("wait_loading")
    : step === "prefill" ? say("wait_prefill")
    : step === "sent" ? say("wait_sent")
    : step === "thinking" ? say("thinking")
    : say("wait_answering");
  return (
    <div class="progress">
      <span role="status">{words}{percent === undefined ? "" : ` ${percent} %`}</span>
      {percent === undefined ? null : <progress max={100} value={percent} aria-label={words} />}
      <Clock since={live.begun} />
    </div>
  );
}

function Clock({ since }: { since: number }) {
  const now = useSignal(performance.now());
  useEffect(() => {
    const timer = setInterval(() => (now.value = performance.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return <small aria-hidden="true">{number(Math.max(0, (now.value - since) / 1000), 0)} s</small>;
}
