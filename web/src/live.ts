/** One answer while it comes: its parts, what it waits for, and who wants to be told. */

import { signal } from "@preact/signals";
import { get, send, words } from "./api";
import { listen } from "./sse";
import type { Call, Stats, Turn } from "./tree";

const WATCH_MS = 700;

export interface Waiting {
  /** What the server does meanwhile. */
  step: "sent" | "queue" | "loading" | "prefill" | "thinking" | "answering";
  place?: number;
  percent?: number;
}

interface Chunk {
  error?: { message?: string };
  choices?: {
    delta?: {
      content?: string | null;
      reasoning_content?: string | null;
      tool_calls?: { index: number; id?: string; function?: { name?: string; arguments?: string } }[];
    };
    finish_reason?: string | null;
  }[];
  usage?: { prompt_tokens: number; completion_tokens: number };
  timings?: { predicted_ms: number; predicted_n: number; first_token_ms: number; queue_ms: number; load_ms: number };
  warnings?: { message: string }[];
}

interface Status {
  queue: { waiting: number };
  model: { state: string; progress?: number };
}

export class Live {
  text: string;
  thoughts = "";
  calls: Call[] = [];
  readonly waiting = signal<Waiting>({ step: "sent" });
  readonly thoughtMs = signal(0);
  readonly callCount = signal(0);
  readonly warning = signal("");
  readonly begun = performance.now();
  private readonly ears = new Set<() => void>();
  private readonly leave = new AbortController();
  private thinkingSince = 0;
  private stats: Stats | undefined;
  private finish: string | undefined;
  private stopped = false;

  constructor(readonly turn: Turn) {
    this.text = turn.text;
  }

  /** Calls back when text or thoughts have grown, until the returned function is called. */
  heed(ear: () => void): () => void {
    this.ears.add(ear);
    return () => this.ears.delete(ear);
  }

  stop(): void {
    this.stopped = true;
    this.leave.abort();
  }

  /** Runs to the end of the answer, whatever that is; never throws. `leftOut` is what the request goes without. */
  async run(body: Record<string, unknown>, leftOut: string): Promise<void> {
    this.warn(leftOut);
    const watch = setInterval(() => void this.watch(), WATCH_MS);
    let error = "";
    try {
      const answer = await send("/v1/chat/completions", { json: body, signal: this.leave.signal });
      await listen(answer, {
        data: (text) => this.data(text),
        comment: (text) => this.comment(text),
      });
      if (this.finish === undefined) error = "…";
    } catch (fault) {
      error = this.stopped ? "" : words(fault);
    } finally {
      clearInterval(watch);
    }
    this.settle();
    this.turn.finish = this.stopped && this.finish === undefined ? "stopped" : error ? "failed" : (this.finish ?? "failed");
    if (error) this.turn.error = error === "…" ? "" : error;
    else delete this.turn.error;
  }

  /** Writes what has come so far into the turn. */
  settle(): void {
    this.turn.text = this.text;
    if (this.thoughts) this.turn.thoughts = this.thoughts;
    if (this.thoughtMs.value) this.turn.thoughtMs = this.thoughtMs.value;
    if (this.calls.length) this.turn.calls = this.calls;
    if (this.stats) this.turn.stats = this.stats;
    if (this.warning.value) this.turn.warning = this.warning.value;
  }

  private warn(words: string): void {
    this.warning.value = [this.warning.value, words].filter(Boolean).join("\n");
  }

  private data(text: string): void {
    if (text === "[DONE]") return;
    const chunk = JSON.parse(text) as Chunk;
    if (chunk.error) throw new Error(chunk.error.message ?? "");
    for (const { message } of chunk.warnings ?? []) this.warn(message);
    const choice = chunk.choices?.[0];
    if (choice?.delta) this.delta(choice.delta);
    if (choice?.finish_reason) this.finish = choice.finish_reason;
    this.measure(chunk);
  }

  private delta(delta: NonNullable<NonNullable<Chunk["choices"]>[number]["delta"]>): void {
    const now = performance.now();
    if (delta.reasoning_content) {
      this.thinkingSince ||= now;
      this.thoughts += delta.reasoning_content;
      this.thoughtMs.value = now - this.thinkingSince;
      if (this.waiting.value.step !== "thinking") this.waiting.value = { step: "thinking" };
    }
    if (this.thinkingSince && !this.text && (delta.content || delta.tool_calls)) this.thoughtMs.value = now - this.thinkingSince;
    if (delta.content) {
      this.text += delta.content;
      if (this.waiting.value.step !== "answering") this.waiting.value = { step: "answering" };
    }
    for (const part of delta.tool_calls ?? []) {
      const call = (this.calls[part.index] ??= { id: "", name: "", arguments: "" });
      if (part.id) call.id = part.id;
      if (part.function?.name) call.name = part.function.name;
      call.arguments += part.function?.arguments ?? "";
      this.waiting.value = { step: "answering" };
      this.callCount.value += 1;
    }
    this.ears.forEach((ear) => ear());
  }

  private measure({ usage, timings }: Chunk): void {
    const stats = (this.stats ??= { promptTokens: 0, tokens: 0, perSecond: 0, firstMs: 0, queueMs: 0, loadMs: 0 });
    if (usage) {
      stats.promptTokens = usage.prompt_tokens;
      stats.tokens = usage.completion_tokens;
    }
    if (timings) {
      stats.perSecond = timings.predicted_ms > 0 ? ((timings.predicted_n - 1) * 1000) / timings.predicted_ms : 0;
      stats.firstMs = timings.first_token_ms;
      stats.queueMs = timings.queue_ms;
      stats.loadMs = timings.load_ms;
    }
  }

  private comment(text: string): void {
    const [step, value] = text.split(" ");
    const amount = Number.parseInt(value ?? "", 10);
    if (Number.isNaN(amount)) return;
    if (step === "queue") this.waiting.value = { step: "queue", place: amount };
    else if (step === "loading" || step === "prefill") this.waiting.value = { step, percent: amount };
  }

  /** Until something comes, the status tells more, and sooner, than the stream's comments. */
  private async watch(): Promise<void> {
    const { step } = this.waiting.value;
    if (document.hidden || step === "answering" || step === "thinking" || step === "prefill") return;
    try {
      const status = await get<Status>("/v1/status", this.leave.signal);
      const now = this.waiting.value.step;
      if (now === "answering" || now === "thinking") return;
      if (status.model.state === "loading") {
        const percent = status.model.progress === undefined ? {} : { percent: Math.round(status.model.progress * 100) };
        this.waiting.value = { step: "loading", ...percent };
      } else if (status.queue.waiting > 0 && now !== "queue") {
        this.waiting.value = { step: "queue", place: status.queue.waiting };
      } else if (status.model.state === "ready" && now === "loading") {
        this.waiting.value = { step: "sent" };
      }
    } catch {
      // the answer itself says what is wrong
    }
  }
}
