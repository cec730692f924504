/** Finds mathematics in Markdown: $…$, $$…$$, \(…\), \[…\]. What it is made into is for `math.ts`. */

import type { MarkdownIt } from "markdown-it";

const PAIRS: readonly [string, string, boolean][] = [
  ["$$", "$$", true],
  ["\\[", "\\]", true],
  ["\\(", "\\)", false],
  ["$", "$", false],
];
const MOST = 4000;

function inside(source: string, from: number): { tex: string; end: number; block: boolean } | null {
  for (const [open, close, block] of PAIRS) {
    if (!source.startsWith(open, from)) continue;
    const begin = from + open.length;
    let at = source.indexOf(close, begin);
    while (at > 0 && close.startsWith("$") && source[at - 1] === "\\") at = source.indexOf(close, at + 1);
    if (at < 0 || at - begin > MOST) return null;
    const tex = source.slice(begin, at);
    if (!tex.trim()) return null;
    // "$5 and $6" is money: no space may be inside of a dollar sign, no digit follow it.
    if (open === "$" && (/^\s|\s$/.test(tex) || /\d/.test(source[at + 1] ?? "") || tex.includes("\n\n"))) return null;
    return { tex, end: at + close.length, block };
  }
  return null;
}

export function mathematics(parser: MarkdownIt): void {
  parser.inline.ruler.before("escape", "math", (state, silent) => {
    const sign = state.src[state.pos];
    if (sign !== "$" && sign !== "\\") return false;
    const found = inside(state.src, state.pos);
    if (!found || found.end > state.posMax) return false;
    if (!silent) {
      const token = state.push("math", "", 0);
      token.content = found.tex;
      token.meta = { block: found.block };
    }
    state.pos = found.end;
    return true;
  });
  parser.block.ruler.before("fence", "math_block", (state, first, last, silent) => {
    const begin = state.bMarks[first]! + state.tShift[first]!;
    if (state.sCount[first]! - state.blkIndent >= 4) return false;
    const open = state.src.startsWith("$$", begin) ? "$$" : state.src.startsWith("\\[", begin) ? "\\[" : "";
    if (!open) return false;
    const close = open === "$$" ? "$$" : "\\]";
    for (let line = first; line < last; line++) {
      const end = state.eMarks[line]!;
      const text = state.src.slice(line === first ? begin + 2 : state.bMarks[line]! + state.tShift[line]!, end);
      if (line > first && state.isEmpty(line)) return false;
      if (!text.trimEnd().endsWith(close)) continue;
      if (silent) return true;
      const token = state.push("math", "", 0);
      token.content = state.src.slice(begin + 2, end).trimEnd().slice(0, -2);
      token.meta = { block: true };
      token.block = true;
      token.map = [first, line + 1];
      state.line = line + 1;
      return token.content.length <= MOST;
    }
    return false;
  }, { alt: ["paragraph", "reference", "blockquote", "list"] });
  parser.renderer.rules.math = (tokens, index) => {
    const token = tokens[index]!;
    const tex = parser.utils.escapeHtml(token.content);
    return token.meta?.["block"] ? `<div class="math block">${tex}</div>` : `<span class="math">${tex}</span>`;
  };
}
