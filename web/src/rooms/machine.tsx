/** The room of the machine: state, queue, the last answers, memory over time, clocks, the log. Looks only while seen. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { get, words } from "../api";
import { Act, Fault, Room, useWatch } from "../parts";
import { theme, token } from "../prefs";
import type { Series } from "../plot";
import { computing, stateWord, unload, type Loaded, type Runner } from "../runners";
import { bytes, clock, number, say, seconds } from "../words";

const EVERY_MS = 2000;
const KEPT = 900;
const LOG_LINES = 500;

interface Answered {
  model: string;
  finished_at: number;
  reason: string;
  prompt_tokens: number;
  completion_tokens: number;
  queue_ms: number;
  load_ms: number;
  first_token_ms: number;
  total_ms: number;
  tokens_per_second: number;
}

interface Status extends Loaded {
  version: string;
  queue: { slots: number; running: number; waiting: number };
  library: { release?: string; name?: string } | null;
  idle: { unload_in: number | null; release_in: number | null };
  memory: { server_bytes: number; runner_bytes: number; vram_bytes: number; available_bytes: number };
  ramdisk: { source: string; bytes: number } | null;
  last_requests: Answered[];
}

/** Kept while the page is open, so that the plots go on where they were. */
const memory: { at: number[]; server: number[]; runner: number[]; vram: number[] } = { at: [], server: [], runner: [], vram: [] };

export function Machine() {
  const status = useSignal<Status | null>(null);
  const fault = useSignal("");
  const look = async () => {
    try {
      const found = await get<Status>("/v1/status");
      remember(found);
      status.value = found;
      fault.value = "";
    } catch (error) {
      fault.value = words(error);
    }
  };
  useWatch(look, EVERY_MS);
  const found = status.value;
  return (
    <Room title={say("room_machine")}>
      <Fault text={fault.value} />
      {found ? <State status={found} /> : null}
      {found ? <InMemory runners={computing(found)} look={look} /> : null}
      {found ? <Plots status={found} /> : null}
      {found ? <Answers answers={found.last_requests} /> : null}
      <Log />
    </Room>
  );
}

function remember({ memory: held }: Status): void {
  memory.at.push(Date.now() / 1000);
  memory.server.push(held.server_bytes);
  memory.runner.push(held.runner_bytes);
  memory.vram.push(held.vram_bytes);
  if (memory.at.length > KEPT) Object.values(memory).forEach((list) => list.shift());
}

function State({ status }: { status: Status }) {
  const { model, queue, idle, memory: held } = status;
  return (
    <section class="card">
      <h2>{say("state")}</h2>
      <dl class="facts">
        <dt>{say("model")}</dt>
        <dd>
          <span class={`state ${model.state}`}>{say(stateWord(model.state))}</span> {model.id ?? ""}
          {model.progress ? ` ${number(model.progress * 100, 0)} %` : ""}
        </dd>
        <dt>{say("queue")}</dt>
        <dd>{say("queue_words", { running: queue.running, slots: queue.slots, waiting: queue.waiting })}</dd>
        <dt>{say("idle_clock")}</dt>
        <dd><Countdown left={idle.unload_in} none={say(model.state === "ready" ? "clock_busy" : "clock_none")} /></dd>
        <dt>{say("ramdisk")}</dt>
        <dd>
          {status.ramdisk ? bytes(status.ramdisk.bytes) : say("nothing")}
          {idle.release_in === null ? null : <> · <Countdown left={idle.release_in} none="" /></>}
        </dd>
        <dt>{say("memory")}</dt>
        <dd>
          {say("memory_words", {
            server: bytes(held.server_bytes), runner: bytes(held.runner_bytes), vram: bytes(held.vram_bytes),
            free: bytes(held.available_bytes),
          })}
        </dd>
        <dt>{say("room_library")}</dt>
        <dd>{status.library?.release ?? say("nothing")}</dd>
        <dt>{say("version")}</dt>
        <dd>{status.version}</dd>
      </dl>
    </section>
  );
}

/** All that is loaded, also what is not registered any more, each to be let go by itself. */
function InMemory({ runners, look }: { runners: Runner[]; look: () => Promise<void> }) {
  if (!runners.length) return null;
  return (
    <section class="card">
      <h2>{say("in_memory")}</h2>
      <ul class="runners">
        {runners.map((runner) => (
          <li class="row" key={`${runner.kind} ${runner.model}`}>
            <strong>{runner.model}</strong>
            <span class={`state ${runner.state}`}>{say(stateWord(runner.state))}</span>
            <small>
              {bytes(runner.resident_bytes)}
              {runner.vram_bytes ? ` · VRAM ${bytes(runner.vram_bytes)}` : ""}
              {runner.pinned ? ` · ${say("pinned")}` : ""}
              {runner.running ? ` · ${say("clock_busy")}` : ""}
              {runner.unload_in === null ? null : <> · {say("idle_clock")} <Countdown left={runner.unload_in} none="" /></>}
            </small>
            {runner.state === "ready" ? (
              <Act label={`${say("unload")}: ${runner.model}`} run={() => unload(runner.model).then(look)}>{say("unload")}</Act>
            ) : null}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Runs down between two looks. */
function Countdown({ left, none }: { left: number | null; none: string }) {
  const since = useRef(performance.now());
  const now = useSignal(performance.now());
  useEffect(() => {
    since.current = now.value = performance.now();
  }, [left]);
  useEffect(() => {
    const timer = setInterval(() => (now.value = performance.now()), 500);
    return () => clearInterval(timer);
  }, []);
  if (left === null) return <>{none}</>;
  const rest = Math.max(0, left - (now.value - since.current) / 1000);
  const minutes = Math.floor(rest / 60);
  return <span class="clock">{`${minutes}:${String(Math.floor(rest % 60)).padStart(2, "0")}`}</span>;
}

function Plots({ status }: { status: Status }) {
  const answers = [...status.last_requests].reverse();
  const at = answers.map((one) => one.finished_at);
  return (
    <section class="plots">
      <Plot
        title={say("plot_speed")}
        series={[{ label: say("plot_speed"), colour: "--accent-text" }]}
        data={[at, answers.map((one) => one.tokens_per_second)]}
        shown={(value) => number(value, 0)}
      />
      <Plot
        title={say("plot_first")}
        series={[{ label: say("plot_first"), colour: "--primary-text" }]}
        data={[at, answers.map((one) => one.queue_ms + one.load_ms + one.first_token_ms)]}
        shown={(value) => seconds(value)}
      />
      <Plot
        title={say("plot_memory")}
        series={[
          { label: say("plot_server"), colour: "--primary-text" },
          { label: say("plot_runner"), colour: "--secondary-text" },
          { label: "VRAM", colour: "--accent-text" },
        ]}
        data={[memory.at, memory.server, memory.runner, memory.vram].map((list) => [...list])}
        shown={bytes}
      />
    </section>
  );
}

function Plot(props: { title: string; series: Series[]; data: (number | null)[][]; shown: (value: number) => string }) {
  const root = useRef<HTMLDivElement>(null);
  const drawn = useRef<{ set(data: (number | null)[][]): void; end(): void } | null>(null);
  const latest = useRef(props.data);
  latest.current = props.data;
  useEffect(() => {
    let over = false;
    void import("../plot").then(({ plot }) => {
      if (over || !root.current) return;
      drawn.current = plot(root.current, props.series, props.shown);
      drawn.current.set(latest.current);
    });
    return () => {
      over = true;
      drawn.current?.end();
      drawn.current = null;
    };
  }, [theme.value]);
  useEffect(() => drawn.current?.set(props.data));
  const last = props.data.slice(1).map((list) => list.at(-1));
  const words = props.series.map((one, index) => `${one.label}: ${last[index] == null ? "–" : props.shown(last[index])}`).join(", ");
  return (
    <figure class="card plot">
      <figcaption>
        {props.title}
        {props.series.length > 1 ? props.series.map((one) => (
          <span class={`key ${one.colour.slice(2)}`} key={one.label}> ■ {one.label}</span>
        )) : null}
      </figcaption>
      <div ref={root} role="img" aria-label={words} />
    </figure>
  );
}

function Answers({ answers }: { answers: Answered[] }) {
  if (!answers.length) return <p class="hint">{say("no_answers")}</p>;
  return (
    <section class="card">
      <h2>{say("last_answers")}</h2>
      <div class="table" tabIndex={0} role="region" aria-label={say("last_answers")}>
        <table>
          <thead>
            <tr>
              <th>{say("time")}</th><th>{say("model")}</th><th>{say("tokens")}</th><th>{say("plot_speed")}</th>
              <th>{say("plot_first")}</th><th>{say("total")}</th><th>{say("end")}</th>
            </tr>
          </thead>
          <tbody>
            {answers.map((one, index) => (
              <tr key={`${one.finished_at} ${index}`}>
                <td>{clock(one.finished_at * 1000)}</td>
                <td>{one.model}</td>
                <td>{number(one.prompt_tokens, 0)} + {number(one.completion_tokens, 0)}</td>
                <td>{number(one.tokens_per_second)}</td>
                <td>{seconds(one.queue_ms + one.load_ms + one.first_token_ms)}</td>
                <td>{seconds(one.total_ms)}</td>
                <td>{one.reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Log() {
  const lines = useSignal<string[]>([]);
  const fault = useSignal("");
  const next = useRef(0);
  const box = useRef<HTMLPreElement>(null);
  const used = useRef(token.value);
  useWatch(async () => {
    if (fault.value && used.current === token.value) return; // refused: asking again would only be refused again
    used.current = token.value;
    try {
      const found = await get<{ lines: string[]; next: number }>(`/admin/log?after=${next.current}`);
      if (found.next < next.current) lines.value = []; // another server
      next.current = found.next;
      fault.value = "";
      if (!found.lines.length) return;
      const below = box.current ? box.current.scrollHeight - box.current.scrollTop - box.current.clientHeight < 40 : true;
      lines.value = [...lines.value, ...found.lines].slice(-LOG_LINES);
      if (below) requestAnimationFrame(() => box.current && (box.current.scrollTop = box.current.scrollHeight));
    } catch (error) {
      fault.value = words(error);
    }
  }, EVERY_MS);
  return (
    <section class="card">
      <h2>{say("log")}</h2>
      <p class="hint">{say("log_hint")}</p>
      <Fault text={fault.value} />
      <pre class="log" ref={box} tabIndex={0} role="region" aria-label={say("log")}>{lines.value.join("\n")}</pre>
    </section>
  );
}
