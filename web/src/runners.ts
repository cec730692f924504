/** The models in memory, as the status tells them, and how one of them is let go. */

import { post } from "./api";
import type { Word } from "./words";

export interface Runner {
  kind: string;
  model: string;
  state: string;
  resident_bytes: number;
  vram_bytes: number;
  running: number;
  waiting: number;
  pinned: boolean;
  unload_in: number | null;
}

export interface Loaded {
  model: { state: string; id: string | null; progress: number | null };
  runners: Runner[];
}

/** Those that compute: a vocabulary alone is no loaded model. */
export function computing(status: Loaded | null): Runner[] {
  return (status?.runners ?? []).filter((runner) => runner.kind !== "vocabulary");
}

export function stateWord(state: string): Word {
  return state === "ready" ? "state_ready"
    : state === "loading" ? "state_loading"
    : state === "unloading" ? "state_unloading"
    : "state_unloaded";
}

/** Raises a Refusal where the model is in use. */
export function unload(model: string): Promise<unknown> {
  return post(`/admin/models/${encodeURIComponent(model)}/unload`);
}
