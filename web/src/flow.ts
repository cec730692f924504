/** An answer on the page while it grows: finished blocks stay as they are, only the last one is made anew. */

import { blocks, rendered } from "./markdown";
import { clipped } from "./parts";
import { say } from "./words";

export class Flow {
  private readonly env = {};
  private text = "";
  /** Everything before it stands in blocks that no more text can change. */
  private settled = 0;
  private tail: HTMLElement | null = null;
  /** The text node of a fence that is still open, and how much of the text it shows. */
  private open: { node: Text; shown: number } | null = null;
  private frame = 0;

  constructor(private readonly root: HTMLElement) {}

  /** Shows this text, which begins with the one before it, at the next frame. */
  grow(text: string): void {
    this.text = text;
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  /** Shows all of it now; no more comes. */
  finish(text: string): void {
    cancelAnimationFrame(this.frame);
    this.text = text;
    this.draw();
    if (this.tail) dress(this.tail);
    this.tail = this.open = null;
    this.settled = text.length;
  }

  private draw(): void {
    this.frame = 0;
    if (this.open && this.appended()) return;
    const rest = this.text.slice(this.settled);
    const found = blocks(rest, this.env);
    const last = found.at(-1);
    const kept = this.settled;
    for (const block of found.slice(0, -1)) {
      this.place(rest.slice(block.start, block.end));
      if (this.tail) dress(this.tail);
      this.tail = null;
      this.settled = kept + block.end;
    }
    this.open = null;
    if (!last) return;
    const source = rest.slice(last.start);
    this.place(source);
    if (last.openFence) this.watch(source);
  }

  private place(source: string): void {
    const fresh = document.createElement("div");
    fresh.className = "piece";
    fresh.append(rendered(source, this.env));
    if (this.tail) this.tail.replaceWith(fresh);
    else this.root.append(fresh);
    this.tail = fresh;
  }

  /** From now on, what comes goes to the end of this code. Its fence must not be indented. */
  private watch(source: string): void {
    const code = this.tail?.querySelector("pre > code");
    if (!code || !/^[`~]{3}[^\n]*\n/.test(source)) return;
    if (!code.firstChild) code.append("");
    if (code.firstChild instanceof Text) this.open = { node: code.firstChild, shown: this.text.length };
  }

  private appended(): boolean {
    const { node, shown } = this.open!;
    const more = this.text.slice(shown);
    const line = this.text.lastIndexOf("\n", shown - 1) + 1;
    if (/^ {0,3}[`~]{1,}/m.test(this.text.slice(line))) return false; // it may be the fence's end
    node.appendData(more);
    this.open!.shown = this.text.length;
    return true;
  }
}

/** A whole text at once. */
export function show(root: HTMLElement, text: string): void {
  root.replaceChildren();
  new Flow(root).finish(text);
}

/** Gives code its language, its copy button and colours, and formulas their form. */
function dress(piece: HTMLElement): void {
  for (const code of piece.querySelectorAll<HTMLElement>("pre > code")) {
    const language = /language-(\S+)/.exec(code.className)?.[1] ?? "";
    const bar = document.createElement("div");
    bar.className = "codebar";
    const name = document.createElement("span");
    name.textContent = language;
    const copy = document.createElement("button");
    copy.type = "button";
    copy.textContent = say("copy");
    copy.addEventListener("click", () => void copied(copy, code.textContent ?? ""));
    bar.append(name, copy);
    const frame = document.createElement("div");
    frame.className = "code";
    const pre = code.parentElement!;
    pre.tabIndex = 0;
    pre.replaceWith(frame);
    frame.append(bar, pre);
    if (language) void import("./highlight").then((loaded) => loaded.colour(code, language.toLowerCase()));
  }
  for (const table of piece.querySelectorAll("table")) {
    const frame = document.createElement("div");
    frame.className = "table";
    frame.tabIndex = 0;
    table.replaceWith(frame);
    frame.append(table);
  }
  const formulas = piece.querySelectorAll<HTMLElement>(".math");
  if (formulas.length) void import("./math").then((loaded) => formulas.forEach(loaded.draw));
}

async function copied(button: HTMLButtonElement, text: string): Promise<void> {
  button.textContent = say((await clipped(text)) ? "copied" : "copy_failed");
  setTimeout(() => (button.textContent = say("copy")), 2000);
}
