/** The room of kept conversations, over reloads, tabs and files. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch, quiet, visit, watch } from "./browser.mjs";
import { Server } from "./server.mjs";
import { answer, pause, Stage } from "./stage.mjs";

let server, stage, browser;

before(async () => {
  server = await new Server().start();
  stage = await new Stage(server).start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stage?.close();
  await server?.close();
});

async function talk(page, words, said) {
  stage.script = answer(said);
  await page.goto(`${stage.url}/#/chat/new`);
  await page.locator(".welcome").waitFor();
  await page.locator(".composer textarea").fill(words);
  await page.locator(".composer textarea").press("Enter");
  await page.locator(".answer .stats").waitFor();
}

const titles = (page) => page.locator(".cardtitle").allInnerTexts();

test("conversations are kept over a reload, searched, renamed and deleted", async () => {
  const { context, page, seen } = await visit(browser, stage);
  await talk(page, "About cats", "They purr.");
  await talk(page, "星について", "光ります。");
  await page.goto(`${stage.url}/#/history`);
  await page.reload();
  await page.locator(".cardtitle").nth(1).waitFor();
  assert.deepEqual(await titles(page), ["星について", "About cats"]);
  await page.getByRole("searchbox").fill("PURR");
  await page.locator(".cardtitle").nth(1).waitFor({ state: "detached" });
  assert.deepEqual(await titles(page), ["About cats"]);
  await page.getByRole("searchbox").fill("光り");
  await page.getByText("星について").first().waitFor();
  await page.getByRole("searchbox").fill("dogs");
  await page.getByText("Nothing found.").waitFor();
  await page.getByRole("searchbox").fill("");
  await page.getByRole("button", { name: "Rename: About cats" }).click();
  await page.getByRole("textbox", { name: "Rename" }).fill("Cats & <b>co</b>");
  await page.keyboard.press("Enter");
  await page.locator(".cardtitle", { hasText: "Cats & <b>co</b>" }).waitFor();
  await page.getByRole("button", { name: "Delete: 星について" }).click();
  await page.getByRole("button", { name: "Really delete" }).click();
  await page.locator(".cardtitle").nth(1).waitFor({ state: "detached" });
  await page.reload();
  await page.locator(".cardtitle").waitFor();
  assert.deepEqual(await titles(page), ["Cats & <b>co</b>"]);
  await page.locator(".cardtitle").click();
  await page.getByText("They purr.").waitFor();
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("conversations go out as Markdown and JSON, and come in again whole", async () => {
  const { context, page, seen } = await visit(browser, stage);
  await talk(page, "Question?", "**Answer** ✓\n\n```\ncode\n```");
  await page.goto(`${stage.url}/#/history`);
  const saved = async (name) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]);
    return [download.suggestedFilename(), await readFile(await download.path(), "utf8")];
  };
  const [markdownName, markdown] = await saved("Markdown: Question?");
  assert.equal(markdownName, "Question-.md");
  assert.match(markdown, /^# Question\?\n\n## user\n\nQuestion\?\n\n## assistant \(.+\)\n\n\*\*Answer\*\* ✓\n\n```\ncode\n```\n$/);
  const [, json] = await saved("Export all");
  const kept = JSON.parse(json);
  assert.equal(kept.format, "hoshikage-conversations");
  await context.close();

  const other = await visit(browser, stage, { hash: "#/history" });
  const take = (name, text) =>
    other.page.locator("input[type=file]").setInputFiles({ name, mimeType: "application/json", buffer: Buffer.from(text) });
  for (const bad of ["", "{}", '{"format":"hoshikage-conversations","version":1,"conversations":[{"id":"x","turns":{"a":1}}]}', "[1"]) {
    await take("bad.json", bad);
    await other.page.getByText("bad.json holds no conversations").waitFor();
  }
  assert.equal(await other.page.locator(".cardtitle").count(), 0);
  await take("good.json", json);
  await other.page.getByText("1 imported").waitFor();
  const [, again] = await (async () => {
    const [download] = await Promise.all([
      other.page.waitForEvent("download"), other.page.getByRole("button", { name: "Export all" }).click(),
    ]);
    return [0, await readFile(await download.path(), "utf8")];
  })();
  assert.deepEqual(JSON.parse(again), kept);
  assert.deepEqual(await quiet(other.page, other.seen), []);
  assert.deepEqual(seen.faults, []);
  await other.context.close();
});

test("two tabs: what one adds the other shows, and neither's words are lost", async () => {
  const { context, page, seen } = await visit(browser, stage);
  await talk(page, "From the first tab", "First answer");
  await page.locator(".recent a").waitFor();
  const second = await context.newPage();
  const seenBySecond = await watch(second, stage);
  await second.goto(`${stage.url}/${await page.locator(".recent a").getAttribute("href")}`);
  await second.getByText("First answer").waitFor();
  stage.script = answer("Second answer");
  await second.locator(".composer textarea").fill("From the second tab");
  await second.locator(".composer textarea").press("Enter");
  await second.locator(".answer .stats").nth(1).waitFor();
  await page.getByText("Second answer").waitFor();
  // both at once, each a branch of its own
  stage.script = [pause(400), ...answer("Third answer")];
  for (const tab of [page, second]) {
    await tab.locator(".composer textarea").fill(`Third from ${tab === page ? "one" : "two"}`);
    await tab.locator(".composer textarea").press("Enter");
  }
  for (const tab of [page, second]) await tab.locator(".answer .stats").nth(2).waitFor();
  await page.goto(`${stage.url}/#/history`);
  for (const words of ["Third from one", "Third from two"]) {
    await page.getByRole("searchbox").fill(words);
    await page.locator(".cardtitle").waitFor();
  }
  assert.deepEqual(await quiet(page, seen), []);
  assert.deepEqual(await quiet(second, seenBySecond), []);
  await context.close();
});

test("nothing of a conversation is written on the server, and a token leaves with its tab", async () => {
  const { context, page } = await visit(browser, server);
  await page.locator(".composer textarea").fill("a secret sentence");
  await page.locator(".composer textarea").press("Enter");
  await page.locator(".answer .stats").waitFor();
  assert.ok(!server.log.join("\n").includes("secret"));
  await page.goto(`${server.url}/#/settings`);
  await page.getByLabel("Access token").fill("hsk_something");
  await page.getByRole("button", { name: "Use", exact: true }).click();
  const stores = await page.evaluate(() => [JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }), document.cookie]);
  assert.ok(!stores[0].includes("hsk_something"));
  assert.ok(stores[1].includes("hsk_something"));
  assert.equal(stores[2], "");
  await page.getByRole("button", { name: "Forget" }).click();
  assert.ok(!(await page.evaluate(() => JSON.stringify({ ...sessionStorage }))).includes("hsk_something"));
  await context.close();
});
