/** Debian's Chromium, driven; every page reports what it should not have: errors, refused loads, requests elsewhere. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
];

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
}

/** A tab of a fresh profile, at the server's page. `seen` gathers what must stay empty. */
export async function visit(browser, server, { hash = "", width = 1280, height = 800, locale = "en-US", ...more } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, locale, acceptDownloads: true, ...more });
  const page = await context.newPage();
  const seen = await watch(page, server);
  await page.goto(`${server.url}/${hash}`);
  await page.locator("nav.rooms").waitFor();
  return { context, page, seen };
}

export async function watch(page, server) {
  const seen = { faults: [], elsewhere: [], dialogs: [] };
  page.on("pageerror", (error) => seen.faults.push(String(error)));
  page.on("console", (message) => {
    // a refused request is told by the browser itself, and shown by the page
    if (message.type() === "error" && !/^Failed to load resource/.test(message.text())) seen.faults.push(message.text());
  });
  page.on("dialog", (dialog) => {
    seen.dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    if (!/^(?:data|blob|about):/.test(request.url()) && !request.url().startsWith(`${server.url}/`)) {
      seen.elsewhere.push(request.url());
    }
  });
  await page.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener("securitypolicyviolation", (event) =>
      globalThis.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`),
    );
  });
  return seen;
}

export async function quiet(page, seen) {
  const violations = await page.evaluate(() => globalThis.violations);
  return [...seen.faults, ...seen.elsewhere, ...seen.dialogs, ...violations];
}

/** Waits until that is so. Playwright's waitForFunction takes a promise for true, and does not wait for it. */
export async function until(done) {
  const end = Date.now() + 30_000;
  while (!(await done())) assert.ok(Date.now() < end, `never: ${done}`);
}

/** What axe-core finds serious for those who cannot see or cannot point. */
export async function faults(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }),
  );
  return violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`);
}
