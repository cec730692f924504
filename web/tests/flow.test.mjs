/** A long answer at 200 pieces a second: what stands is not made again, and the page keeps up. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, quiet, visit } from "./browser.mjs";
import { Server } from "./server.mjs";
import { answer, Stage } from "./stage.mjs";

const PARAGRAPH = "星影 is a *quiet* server, and **this** is [a link](https://example.com/) with `code` in it. ".repeat(3);
const CODE = Array.from({ length: 120 }, (_, line) => `value_${line} = compute(${line})  # 行 ${line}`).join("\n");
const TEXT = [
  "# Heading", PARAGRAPH, "- one\n- two\n  - three\n", "| a | b |\n|---|--:|\n| 1 | 2 |\n| 3 | 4 |", PARAGRAPH,
  `\`\`\`python\n${CODE}\n\`\`\``, "$$\\int_0^1 x^2\\,dx = \\frac{1}{3}$$", PARAGRAPH, "Setext\n---", "> quoted\n> twice", "The end.",
].join("\n\n");
const SIZE = 12;
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

test("what stands stays, code grows by appending, and the end is as if it had come at once", async () => {
  const { context, page, seen } = await visit(browser, stage);
  await page.evaluate(() => {
    globalThis.work = { added: 0, removedPieces: 0, appended: 0, long: 0 };
    new PerformanceObserver((list) => (globalThis.work.long += list.getEntries().length)).observe({ type: "longtask" });
    new MutationObserver((changes) => {
      for (const change of changes) {
        if (!change.target.parentElement?.closest?.(".prose") && !change.target.classList?.contains("prose")) continue;
        if (change.type === "characterData") globalThis.work.appended += 1;
        for (const node of change.addedNodes) globalThis.work.added += 1 + (node.querySelectorAll?.("*").length ?? 0);
        for (const node of change.removedNodes) if (node.className === "piece") globalThis.work.removedPieces += 1;
        // each piece that stands is marked once: a mark that is gone at the end was made again
        const pieces = [...document.querySelectorAll(".answer > .prose > .piece")];
        pieces.slice(0, -1).forEach((piece) => (piece.stood ??= true));
      }
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  stage.script = answer(TEXT, { size: SIZE, every: 5 });
  await page.locator(".composer textarea").fill("Go");
  await page.locator(".composer textarea").press("Enter");
  await page.getByText("The end.").waitFor({ timeout: 120_000 });
  const growing = await page.evaluate(() => {
    const pieces = [...document.querySelectorAll(".answer > .prose > .piece")];
    return { ...globalThis.work, pieces: pieces.length, stood: pieces.filter((piece) => piece.stood).length };
  });
  await page.locator(".answer .stats").waitFor();
  const stand = () =>
    page.evaluate(() => [...document.querySelectorAll(".answer > .prose > .piece")].filter((piece) => piece.stood).length);
  assert.ok((await stand()) >= growing.stood, "at its end the answer was made again");
  assert.equal(growing.pieces, 11);
  assert.ok(growing.stood >= growing.pieces - 2, JSON.stringify(growing));
  // made again at most once a piece of the stream, and far less: within code it only grows
  const pieces = Math.ceil([...TEXT].length / SIZE);
  const ofCode = Math.floor([...CODE].length / SIZE);
  assert.ok(growing.removedPieces <= pieces - ofCode * 0.8, `${growing.removedPieces} of ${pieces} pieces were made again`);
  assert.ok(growing.appended > 0);
  console.log(`# ${pieces} pieces: ${JSON.stringify(growing)}`);
  await page.locator(".math > math").waitFor();
  await page.locator(".hljs-comment").first().waitFor();
  const streamed = await page.locator(".answer > .prose").innerText();
  stage.script = answer(TEXT);
  await page.locator(".answer").getByRole("button", { name: "Regenerate" }).click();
  await page.getByText("2 / 2").waitFor();
  await page.locator(".math > math").waitFor();
  await page.locator(".hljs-comment").first().waitFor();
  assert.equal(await page.locator(".answer > .prose").innerText(), streamed);
  assert.equal(await page.locator(".answer td.right").count(), 2);
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("code is copied as it is", async () => {
  const { context, page, seen } = await visit(browser, stage, { permissions: ["clipboard-read", "clipboard-write"] });
  stage.script = answer("```js\nconst a = '<b>';\n```");
  await page.locator(".composer textarea").fill("Go");
  await page.locator(".composer textarea").press("Enter");
  await page.locator(".hljs-string").waitFor();
  await page.locator(".codebar button").click();
  await page.getByText("Copied").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "const a = '<b>';\n");
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("who has gone up to read is not taken down", async () => {
  const { context, page } = await visit(browser, stage, { height: 500 });
  let go;
  const held = new Promise((resolve) => (go = resolve));
  const half = answer(`${PARAGRAPH}\n\n`.repeat(12)).slice(0, 1);
  stage.script = [...half, () => held, ...answer(`${PARAGRAPH}\n\n`.repeat(12))];
  await page.locator(".composer textarea").fill("Go");
  await page.locator(".composer textarea").press("Enter");
  const place = () => page.locator(".follow").evaluate((box) => box.scrollTop);
  await page.waitForFunction(() => document.querySelector(".follow").scrollTop > 300);
  await page.locator(".follow").hover();
  await page.mouse.wheel(0, -250);
  await page.waitForFunction(() => {
    const box = document.querySelector(".follow");
    return box.scrollHeight - box.scrollTop - box.clientHeight > 150;
  });
  const before = await place();
  go();
  await page.locator(".answer .stats").waitFor();
  assert.equal(await place(), before);
  await context.close();
});
