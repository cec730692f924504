/** Hostile texts as answers, thoughts, titles, tool calls, file names and errors: they are read, and do nothing. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, quiet, visit } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";
import { Server } from "./server.mjs";
import { answer, delta, Stage } from "./stage.mjs";

/** All that an answer may be made of. */
const MATHML = "http://www.w3.org/1998/Math/MathML";
const TAGS = new Set(
  "a blockquote br button code del div em h1 h2 h3 h4 h5 h6 hr li ol p pre s span strong table tbody td th thead tr ul".split(" "),
);
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

async function trapped() {
  const visited = await visit(browser, stage);
  await visited.page.evaluate(() => {
    globalThis.called = [];
    globalThis.pwned = (which) => globalThis.called.push(which);
  });
  return visited;
}

async function harmless(page, seen) {
  assert.deepEqual(await page.evaluate(() => globalThis.called), []);
  assert.deepEqual(await quiet(page, seen), []);
  const found = await page.evaluate(() =>
    [...document.querySelectorAll(".prose *")].map((node) => ({
      tag: node.localName,
      space: node.namespaceURI,
      names: node.getAttributeNames(),
      href: node.getAttribute("href"),
      style: node.getAttribute("style") ?? "",
      box: node.getBoundingClientRect().toJSON(),
    })),
  );
  for (const one of found) {
    assert.ok(one.space === MATHML || TAGS.has(one.tag), one.tag);
    assert.ok(one.names.every((name) => !/^on|^src|^id$|^name$|^action|^xlink/.test(name)), one.names.join());
    if (one.href !== null) assert.match(one.href, /^(?:https?:\/\/|mailto:)/i);
    assert.doesNotMatch(one.style, /url|fixed/);
    assert.ok(one.box.height < 40_000, `${one.tag} is ${one.box.height} high`);
  }
  return found;
}

test("the corpus is large enough", () => assert.ok(new Set(HOSTILE).size >= 60, String(HOSTILE.length)));

test("a kept conversation full of hostile texts", async () => {
  const { context, page, seen } = await trapped();
  const turns = {};
  let parent = null;
  HOSTILE.forEach((text, index) => {
    for (const [role, id] of [["user", `u${index}`], ["assistant", `a${index}`]]) {
      turns[id] = {
        id, parent, role, made: index, text, finish: "failed", error: text, model: text, thoughts: text, thoughtMs: 1,
        files: [{ name: text, text }], media: [{ id: `m${index}`, name: text, format: "png", size: 1 }], warning: text, calls: [{ id: text, name: text, arguments: text }],
      };
      parent = id;
    }
  });
  const conversation = {
    id: "hostile", title: HOSTILE.join(" "), made: 1, changed: Date.now(), model: HOSTILE[0], system: HOSTILE[1],
    controls: {}, turns, leaf: parent,
  };
  const file = JSON.stringify({ format: "hoshikage-conversations", version: 1, conversations: [conversation] });
  await page.goto(`${stage.url}/#/history`);
  await page.locator("input[type=file]").setInputFiles({ name: "x.json", mimeType: "application/json", buffer: Buffer.from(file) });
  await page.getByText("1 imported").waitFor();
  await page.goto(`${stage.url}/#/chat/hostile`);
  await page.locator(".answer").nth(HOSTILE.length - 1).waitFor();
  await page.waitForFunction(() => document.querySelectorAll(".math > math, .math.unread").length > 4);
  for (const details of await page.locator("details.thoughts").all()) await details.evaluate((node) => (node.open = true));
  await harmless(page, seen);
  await page.locator(".prose a").first().hover();
  assert.ok(await page.locator(".composer").isVisible());
  assert.deepEqual(await page.evaluate(() => globalThis.called), []);
  await context.close();
});

test("hostile texts in a stream, in pieces that cut them anywhere", async () => {
  const { context, page, seen } = await trapped();
  stage.script = [delta({ reasoning_content: HOSTILE.join("\n\n") }), ...answer(HOSTILE.join("\n\n"), { size: 7 })];
  await page.locator(".composer textarea").fill("Go");
  await page.locator(".composer textarea").press("Enter");
  await page.locator(".answer .stats").waitFor();
  await page.waitForFunction(() => document.querySelectorAll(".math > math, .math.unread").length > 4);
  const found = await harmless(page, seen);
  assert.ok(found.length > HOSTILE.length);
  // the words themselves are not lost
  const words = await page.locator(".answer > .prose").innerText();
  for (const part of ["<script>pwned(1)</script>", "<svg onload=pwned(3)>", "<iframe src=javascript:pwned(56)>"]) {
    assert.ok(words.includes(part), part);
  }
  await context.close();
});

test("a hostile name of a model, and a hostile error", async () => {
  const { context, page, seen } = await trapped();
  await page.route("**/v1/models", (route) =>
    route.fulfill({ json: { data: HOSTILE.slice(0, 20).map((id) => ({ id, parent: id })) } }),
  );
  await page.route("**/v1/chat/completions", (route) =>
    route.fulfill({ status: 500, json: { error: { message: HOSTILE.join("\n") } } }),
  );
  await page.reload();
  await page.evaluate(() => {
    globalThis.called = [];
    globalThis.pwned = (which) => globalThis.called.push(which);
  });
  await page.locator(".composer textarea").fill("Go");
  await page.locator(".composer textarea").press("Enter");
  await page.locator(".answer [role=alert]").waitFor();
  await harmless(page, seen);
  await context.close();
});
