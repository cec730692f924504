/** Builds the page into hoshikage/page/static: bundles, hashed names, gzip that is the same byte for byte everywhere. */

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { gzip } from "pako";

const HERE = dirname(fileURLToPath(import.meta.url));
const TARGET = process.argv[2] ?? join(HERE, "..", "hoshikage", "page", "static");
const BUDGET = 250 * 1024;

const result = await build({
  absWorkingDir: HERE,
  entryPoints: ["src/main.tsx", "src/style.css"],
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2022", "chrome111", "firefox115", "safari16.4"],
  minify: true,
  charset: "utf8",
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  outdir: "out",
  write: false,
  metafile: true,
  logLevel: "warning",
  plugins: [withoutFonts()],
});

const files = new Map(result.outputFiles.map((file) => [basename(file.path), Buffer.from(file.contents)]));
files.set("icon.svg", readFileSync(join(HERE, "src/icon.svg")));
const named = (start, end) => [...files.keys()].find((name) => name.startsWith(start) && name.endsWith(end));
const html = readFileSync(join(HERE, "src/index.html"), "utf8")
  .replaceAll("@main@", named("main-", ".js"))
  .replaceAll("@style@", named("style-", ".css"));
files.set("index.html", Buffer.from(html));
files.set("LICENSES.txt", Buffer.from(licences(Object.keys(result.metafile.inputs))));

rmSync(TARGET, { recursive: true, force: true });
mkdirSync(TARGET, { recursive: true });
let first = 0;
for (const [name, content] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const packed = gzip(content, { level: 9, header: { os: 255, time: 0 } });
  writeFileSync(join(TARGET, `${name}.gz`), packed);
  const atOnce = opened(result.metafile, named("main-", ".js")).has(name) || /^(index|style|icon)/.test(name);
  if (atOnce) first += packed.length;
  const digest = createHash("sha256").update(content).digest("hex").slice(0, 12);
  console.log(`${String(content.length).padStart(8)} ${String(packed.length).padStart(7)} ${digest} ${atOnce ? "*" : " "} ${name}`);
}
console.log(`${first} bytes compressed at the first open (at most ${BUDGET})`);
if (first > BUDGET) process.exit(1);

/** What the browser loads before anything is asked for: the entry and what it imports, but for what it imports late. */
function opened(metafile, entry, found = new Set()) {
  const key = Object.keys(metafile.outputs).find((path) => basename(path) === entry);
  if (!key || found.has(entry)) return found;
  found.add(entry);
  for (const { path, kind } of metafile.outputs[key].imports) {
    if (kind === "import-statement") opened(metafile, basename(path), found);
  }
  return found;
}

/** Each package that is in the bundles, with its licence. */
function licences(inputs) {
  const names = new Set(
    inputs.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]).filter(Boolean),
  );
  return [...names].sort().map((name) => {
    const folder = join(HERE, "node_modules", name);
    const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).filter((one) => /^(licen[cs]e|copying)/i.test(one)).sort()[0];
    if (!file) throw new Error(`${name} comes without its licence`);
    const text = readFileSync(join(folder, file), "utf8").replace(/\r\n/g, "\n").trim();
    return `${name} ${about.version} (${about.license})\n\n${text}\n`;
  }).join(`\n${"-".repeat(72)}\n\n`);
}

/** Temml's style sheet without its font: the system's is used, and nothing more is loaded. */
function withoutFonts() {
  return {
    name: "without-fonts",
    setup(build) {
      build.onLoad({ filter: /Temml-Local\.css$/ }, ({ path }) => ({
        contents: readFileSync(path, "utf8").replace(/@font-face\s*\{[^}]*\}/g, ""),
        loader: "css",
      }));
    },
  };
}
