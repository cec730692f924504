/** The server's public API, as any other client has it. */

import { signal } from "@preact/signals";
import { lang, token } from "./prefs";
import { say } from "./words";

/** What the server, or the way to it, said no with. `status` 0: there was no answer at all. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code = "",
  ) {
    super(message);
  }
}

/** Set where a request of the room that is shown was refused for want of a token: "api" or "admin". */
export const wanted = signal<"" | "api" | "admin">("");

/** Which room is shown; a refusal that comes after the room was left is none of the next one's. */
let place = 0;

/** Another room is shown: it may need no token, and asks by itself if it does. */
export function moved(): void {
  place += 1;
  wanted.value = "";
}

export interface Model {
  id: string;
  parent?: string;
  available?: boolean;
  architecture?: { input_modalities?: string[] };
}

export async function send(path: string, init: RequestInit & { json?: unknown } = {}): Promise<Response> {
  const from = place;
  const headers = new Headers({ "Accept-Language": lang.value, Accept: "application/json" });
  if (token.value) headers.set("Authorization", `Bearer ${token.value}`);
  const { json, ...rest } = init;
  if (json !== undefined) {
    headers.set("Content-Type", "application/json");
    rest.body = JSON.stringify(json);
    rest.method ??= "POST";
  }
  let answer: Response;
  try {
    answer = await fetch(new URL(`.${path}`, document.baseURI), { ...rest, headers, credentials: "omit", cache: "no-store", redirect: "error" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refusal(say("no_server"), 0);
  }
  if (answer.ok) return answer;
  throw await refusal(answer, path, from);
}

async function refusal(answer: Response, path: string, from: number): Promise<Refusal> {
  let message = `${answer.status} ${answer.statusText}`;
  let code = "";
  try {
    const told = (await answer.json()) as { error?: { message?: string; code?: string } };
    message = told.error?.message ?? message;
    code = told.error?.code ?? "";
  } catch {
    // no JSON: the status has to do
  }
  if (from !== place) return new Refusal(message, answer.status, code);
  if (answer.status === 401 || (answer.status === 403 && path.startsWith("/admin/"))) {
    wanted.value = path.startsWith("/admin/") ? "admin" : "api";
  }
  return new Refusal(message, answer.status, code);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await send(path, signal ? { signal } : {})).json()) as T;
}

export async function post<T>(path: string, json: unknown = {}): Promise<T> {
  return (await (await send(path, { json })).json()) as T;
}

export async function remove<T>(path: string): Promise<T> {
  return (await (await send(path, { method: "DELETE" })).json()) as T;
}

export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
