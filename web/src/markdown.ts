/** Markdown of a model, made into nodes that can do nothing: parsed without HTML, then sanitised once more. */

import DOMPurify from "dompurify";
import MarkdownIt, { type Env } from "markdown-it";
import { mathematics } from "./tex";

const TAGS = [
  "a", "blockquote", "br", "code", "del", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p",
  "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
];
const CLASSES = /^(?:language-[\w+#.-]{1,40}|math|block|center|right|image|hljs-[\w-]+|(?:function|class|inherited)_)$/;
const ADDRESS = /^(?:https?:\/\/|mailto:)/i;

const parser = new MarkdownIt({ html: false, linkify: true, breaks: true, typographer: false });
parser.use(mathematics);
parser.validateLink = (url) => ADDRESS.test(url.trim());
parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false });

// A picture from elsewhere would tell its site that the answer was read: only its address is shown.
parser.renderer.rules.image = (tokens, index) => {
  const token = tokens[index]!;
  const source = String(token.attrGet("src") ?? "");
  const shown = parser.utils.escapeHtml(token.content || source);
  return ADDRESS.test(source)
    ? `<a class="image" href="${parser.utils.escapeHtml(source)}">${shown}</a>`
    : `<span class="image">${shown}</span>`;
};
for (const name of ["th_open", "td_open"]) {
  parser.renderer.rules[name] = (tokens, index, options, _env, self) => {
    const token = tokens[index]!;
    const side = /text-align:(center|right)/.exec(String(token.attrGet("style") ?? ""));
    token.attrs = side ? [["class", side[1]!]] : null;
    return self.renderToken(tokens, index, options);
  };
}
parser.renderer.rules.fence = (tokens, index) => {
  const token = tokens[index]!;
  const language = /^[\w+#.-]{1,40}/.exec(token.info.trim())?.[0];
  const name = language ? ` class="language-${language}"` : "";
  return `<pre><code${name}>${parser.utils.escapeHtml(token.content)}</code></pre>`;
};
parser.renderer.rules.code_block = parser.renderer.rules.fence;

const purify = DOMPurify(window);
purify.addHook("uponSanitizeAttribute", (_node, data) => {
  if (data.attrName === "class") {
    data.attrValue = data.attrValue.split(/\s+/).filter((name) => CLASSES.test(name)).join(" ");
    data.keepAttr = data.attrValue !== "";
  }
});
purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName !== "A") return;
  const address = node.getAttribute("href");
  if (!address) return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
  node.setAttribute("title", address);
});

const COMMON = { ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false, RETURN_DOM_FRAGMENT: true } as const;

/** HTML as nodes, whatever it holds. */
export function clean(html: string): DocumentFragment {
  return purify.sanitize(html, {
    ...COMMON, ALLOWED_TAGS: TAGS, ALLOWED_ATTR: ["href", "class", "start"], ALLOWED_URI_REGEXP: ADDRESS,
  });
}

/** What a highlighter made of code: spans with its classes, and text. */
export function coloured(html: string): DocumentFragment {
  return purify.sanitize(html, { ...COMMON, ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"] });
}

export interface Block {
  /** Where it begins and ends in the text, in characters. */
  start: number;
  end: number;
  /** Whether it is a fence whose end has not come. */
  openFence: boolean;
}

/** The outermost blocks of a text. `env` keeps what links are called by, from one call to the next. */
export function blocks(text: string, env: Env): Block[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  const found: Block[] = [];
  const tokens = parser.parse(text, env);
  for (const token of tokens) {
    if (token.level !== 0 || !token.map || token.nesting < 0) continue;
    const [first, last] = token.map;
    const start = starts[first] ?? 0;
    const end = last < starts.length ? starts[last]! : text.length;
    const before = found.at(-1);
    if (before && start < before.end) continue;
    const closed = new RegExp(`^ {0,3}\\${token.markup[0] ?? "`"}{${token.markup.length || 3},}\\s*$`);
    const lines = text.slice(start, end).replace(/\n+$/, "").split("\n");
    found.push({
      start,
      end,
      openFence: token.type === "fence" && !(lines.length > 1 && closed.test(lines.at(-1)!)),
    });
  }
  return found;
}

export function rendered(text: string, env: Env): DocumentFragment {
  return clean(parser.render(text, env));
}
