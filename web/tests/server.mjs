/** A real Hoshikage in a home of its own, on a free port, for the tests of the page. */

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const PYTHON = process.env.HOSHIKAGE_PYTHON ?? join(ROOT, ".venv", "bin", "python");
const LIBS = process.env.HOSHIKAGE_TEST_LIBS ?? join(ROOT, ".cache", "test-libs");
export const DEMO = join(ROOT, "demo", "hoshikage_demo", "hoshikage-tiny.gguf");
export const MODEL = "hoshikage-tiny";

/** Release -> its libllama. */
export function libraries() {
  const found = {};
  for (const version of readdirSync(LIBS)) {
    const bins = join(LIBS, version, "bins");
    for (const system of readdirSync(bins)) {
      const folder = join(bins, system);
      const about = JSON.parse(readFileSync(join(folder, "_nlcBuildMetadata.json"), "utf8"));
      const file = readdirSync(folder).filter((name) => /^libllama(?:\.[bv][\d.]+)?\.so/.test(name)).sort()[0];
      if (file) found[about.buildOptions.llamaCpp.release] = join(folder, file);
    }
  }
  return found;
}

export class Server {
  constructor({ settings = {}, library = libraries()["v0.5.0"], models = { [MODEL]: DEMO }, early = false } = {}) {
    this.home = mkdtempSync(join(tmpdir(), "hoshikage-page-"));
    this.environ = {
      PATH: process.env.PATH,
      LANG: "C.UTF-8",
      HOME: this.home,
      XDG_CONFIG_HOME: join(this.home, ".config"),
      XDG_CACHE_HOME: join(this.home, ".cache"),
      HOSHIKAGE_LANG: "en",
      RUNNER_AHEAD: "off",
      RAMDISK_PATH: "off",
      N_CTX: "1024",
      N_THREADS: "1", // beside a browser, more would only wait for each other
      ...(library ? { HOSHIKAGE_LIB_PATH: library } : {}),
      ...settings,
    };
    this.port = 0;
    this.log = [];
    for (const [label, file] of Object.entries(models)) {
      const [path, ...flags] = [file].flat();
      this.command("add", path, label, ...flags);
    }
    if (early) this.token(); // a server that wants tokens does not start without one
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What a command prints; an Error where it fails. */
  command(...words) {
    const done = spawnSync(PYTHON, ["-m", "hoshikage", ...words], { env: this.environ, cwd: this.home, encoding: "utf8" });
    if (done.status !== 0) throw new Error(`hoshikage ${words.join(" ")}: ${done.stdout}${done.stderr}`);
    return done.stdout;
  }

  /** A token that may administer; made before the server starts or after, as one likes. */
  token(...flags) {
    return JSON.parse(this.command("token", "create", `t${Date.now()}${flags.length}`, ...flags, "--json")).token;
  }

  async start() {
    this.process = spawn(PYTHON, ["-m", "hoshikage", "--port", String(this.port)], {
      env: this.environ,
      cwd: this.home,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let rest = "";
    await new Promise((resolve, reject) => {
      this.process.once("exit", () => reject(new Error(this.log.join("\n"))));
      this.process.stderr.setEncoding("utf8").on("data", (text) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop();
        this.log.push(...lines);
        const found = /http:\/\/127\.0\.0\.1:(\d+)/.exec(lines.join("\n"));
        if (found) {
          this.port = Number(found[1]);
          resolve();
        }
      });
    });
    return this;
  }

  async stop() {
    if (!this.process || this.process.exitCode !== null) return;
    const gone = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    await gone;
  }

  async close() {
    await this.stop();
    rmSync(this.home, { recursive: true, force: true });
  }

  async status() {
    return (await fetch(`${this.url}/v1/status`)).json();
  }
}
