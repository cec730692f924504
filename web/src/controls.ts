/** What a request may say of how it is answered: one row a control. */

import type { Controls } from "./tree";

export interface Control {
  name: string;
  kind: "number" | "choice" | "text" | "json";
  least?: number;
  most?: number;
  step?: number;
  choices?: readonly string[];
  /** Shown only where the rest is unfolded. */
  folded: boolean;
}

const range = (name: string, least: number, most: number, step: number, folded = true): Control => ({
  name, kind: "number", least, most, step, folded,
});

export const CONTROLS: readonly Control[] = [
  range("temperature", 0, 2, 0.05, false),
  range("top_p", 0, 1, 0.01, false),
  range("max_tokens", 1, 1_000_000, 1, false),
  range("frequency_penalty", -2, 2, 0.1, false),
  range("presence_penalty", -2, 2, 0.1, false),
  range("repeat_penalty", 0.1, 10, 0.05, false),
  range("seed", -1, 4_294_967_295, 1, false),
  { name: "reasoning_effort", kind: "choice", choices: ["none", "minimal", "low", "medium", "high"], folded: true },
  range("top_k", 0, 100_000, 1),
  range("min_p", 0, 1, 0.01),
  range("typical_p", 0, 1, 0.01),
  range("top_n_sigma", -1, 100, 0.1),
  range("repeat_last_n", -1, 16_777_216, 1),
  range("xtc_probability", 0, 1, 0.01),
  range("xtc_threshold", 0, 1, 0.01),
  range("dry_multiplier", 0, 100, 0.1),
  range("dry_base", 0, 100, 0.05),
  range("dry_allowed_length", 0, 65_536, 1),
  { name: "mirostat", kind: "choice", choices: ["0", "1", "2"], folded: true },
  range("mirostat_tau", 0, 100, 0.1),
  range("mirostat_eta", 0, 1, 0.01),
  { name: "stop", kind: "text", folded: true },
];
export const BOXES: readonly Control[] = [
  { name: "schema", kind: "json", folded: false },
  { name: "tools", kind: "json", folded: false },
];

/** The fields of a request. Throws SyntaxError for a box that holds no JSON. */
export function fields(controls: Controls): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const { name, kind } of CONTROLS) {
    const value = controls[name]?.trim();
    if (!value) continue;
    if (kind === "number" || name === "mirostat") found[name] = Number(value);
    else if (name === "stop") found[name] = value.split("\n").filter(Boolean).slice(0, 4);
    else found[name] = value;
  }
  const schema = controls["schema"]?.trim();
  if (schema) {
    found["response_format"] = {
      type: "json_schema",
      json_schema: { name: "answer", strict: true, schema: JSON.parse(schema) as unknown },
    };
  }
  const tools = controls["tools"]?.trim();
  if (tools) {
    const list = JSON.parse(tools) as unknown;
    found["tools"] = (Array.isArray(list) ? list : [list]).map((tool: unknown) =>
      typeof tool === "object" && tool !== null && "function" in tool ? tool : { type: "function", function: tool },
    );
  }
  return found;
}

/** What is wrong with a control's value; nothing where it can be sent. */
export function fault(control: Control, value: string): boolean {
  if (!value.trim()) return false;
  if (control.kind === "number") {
    const parsed = Number(value);
    return !(parsed >= control.least! && parsed <= control.most!) || (control.step === 1 && !Number.isInteger(parsed));
  }
  if (control.kind !== "json") return false;
  try {
    JSON.parse(value);
    return false;
  } catch {
    return true;
  }
}
