/** The room of conversation, with the built-in model: asked, stopped, branched, continued, kept. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, quiet, visit } from "./browser.mjs";
import { MODEL, Server } from "./server.mjs";
import { answer, delta, pause, Stage } from "./stage.mjs";

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

async function ask(page, words) {
  await page.locator(".composer textarea").fill(words);
  await page.locator(".composer textarea").press("Enter");
}

/** The last answer, once it is whole. */
async function answered(page, count) {
  await page.locator(".answer").nth(count - 1).waitFor();
  await page.locator(".turns[aria-busy=false]").waitFor();
  const last = page.locator(".answer").nth(count - 1);
  await last.locator(".tools").waitFor();
  return last;
}

for (const [locale, words, send] of [
  ["ja-JP", "星影とは何ですか？", "送信"],
  ["en-US", "What is Hoshikage?", "Send"],
]) {
  test(`a first chat in ${locale}`, async () => {
    const { context, page, seen } = await visit(browser, server, { locale });
    assert.equal(await page.locator("html").getAttribute("lang"), locale.slice(0, 2));
    await page.locator(".composer textarea").fill(words);
    await page.getByRole("button", { name: send, exact: true }).click();
    const said = await answered(page, 1);
    assert.match(await said.locator("> .prose").innerText(), locale === "ja-JP" ? /[぀-ヿ一-鿿]/ : /Hoshikage/);
    assert.match(await said.locator(".stats").innerText(), locale === "ja-JP" ? /トークン\/秒/ : /tokens\/s/);
    assert.equal(await page.locator(".user .said").innerText(), words);
    assert.deepEqual(await quiet(page, seen), []);
    await context.close();
  });
}

test("what the page sends is what the controls say", async () => {
  stage.script = answer("ok");
  stage.asked = [];
  const { context, page, seen } = await visit(browser, stage);
  await page.getByRole("button", { name: "How it answers" }).click();
  await page.getByLabel("System prompt").fill("Be brief.");
  await page.getByLabel("Temperature (temperature)").fill("0.5");
  await page.getByLabel("Most tokens (max_tokens)").fill("9");
  await page.getByText("More sampling").click();
  await page.getByLabel("top_k").fill("7");
  await page.getByLabel("Stop strings, one a line (stop)").fill("END\n終わり");
  await page.getByText("Structured output and tools").click();
  await page.getByLabel("JSON schema (schema)").fill('{"type": "object"}');
  await page.getByLabel("Tools (functions as JSON) (tools)").fill('{"name": "weather", "parameters": {"type": "object"}}');
  await page.locator("#tuning").press("Escape");
  await ask(page, "Hi");
  await answered(page, 1);
  const [body] = stage.asked;
  assert.deepEqual(body.messages, [{ role: "system", content: "Be brief." }, { role: "user", content: "Hi" }]);
  assert.deepEqual(
    [body.model, body.temperature, body.max_tokens, body.top_k, body.stop, body.stream],
    [MODEL, 0.5, 9, 7, ["END", "終わり"], true],
  );
  assert.deepEqual(body.response_format.json_schema.schema, { type: "object" });
  assert.deepEqual(body.tools, [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }]);
  assert.ok(!("top_p" in body));
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("a schema holds the real model to it, and a box without JSON is said", async () => {
  const { context, page } = await visit(browser, server);
  await page.getByRole("button", { name: "How it answers" }).click();
  await page.getByText("Structured output and tools").click();
  const box = page.getByLabel("JSON schema (schema)");
  await box.fill("{oops");
  assert.equal(await box.getAttribute("aria-invalid"), "true");
  await ask(page, "Go");
  const failed = await answered(page, 1);
  assert.ok((await failed.locator("[role=alert]").innerText()).length > 0);
  await box.fill('{"type": "object", "properties": {"city": {"enum": ["Tokyo"]}}, "required": ["city"], "additionalProperties": false}');
  await failed.getByRole("button", { name: "Regenerate" }).click();
  await page.getByText('"Tokyo"').waitFor();
  await answered(page, 1);
  assert.deepEqual(JSON.parse(await page.locator(".answer > .prose").innerText()), { city: "Tokyo" });
  await context.close();
});

test("an answer is cut, and goes on where it was", async () => {
  const { context, page, seen } = await visit(browser, server);
  await page.getByRole("button", { name: "How it answers" }).click();
  await page.getByLabel("Temperature (temperature)").fill("0");
  await page.getByLabel("Most tokens (max_tokens)").fill("8");
  await ask(page, "What is Hoshikage?");
  const said = await answered(page, 1);
  const cut = await said.locator("> .prose").innerText();
  await page.getByLabel("Most tokens (max_tokens)").fill("40");
  await said.getByRole("button", { name: "Continue" }).click();
  await page.waitForFunction((before) => document.querySelector(".answer > .prose").innerText.length > before, cut.length);
  await answered(page, 1);
  const whole = await said.locator("> .prose").innerText();
  assert.ok(whole.startsWith(cut), `${whole} begins with ${cut}`);
  assert.equal(await page.locator(".answer").count(), 1);
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("an answer is stopped: what came stays, and the server is left", async () => {
  let left;
  const gone = new Promise((resolve) => (left = resolve));
  stage.script = [
    delta({ content: "so far " }),
    (outgoing) => new Promise((resolve) => outgoing.once("close", () => { left(); resolve(); })),
  ];
  const { context, page, seen } = await visit(browser, stage);
  await ask(page, "Go");
  await page.getByText("so far").waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await gone;
  const said = await answered(page, 1);
  assert.equal((await said.locator("> .prose").innerText()).trim(), "so far");
  assert.match(await said.innerText(), /stopped/);
  await said.getByRole("button", { name: "Continue" }).waitFor();
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("an earlier turn is edited, which branches; both branches stay, also over a reload", async () => {
  stage.script = answer("first answer");
  const { context, page, seen } = await visit(browser, stage);
  await ask(page, "one");
  await answered(page, 1);
  await ask(page, "two");
  await answered(page, 2);
  stage.script = answer("second answer");
  await page.locator(".user").first().getByRole("button", { name: "Edit" }).click();
  await page.locator(".editing textarea").fill("uno");
  await page.getByRole("button", { name: "Send as a branch" }).click();
  await page.getByText("second answer").waitFor();
  await answered(page, 1);
  assert.deepEqual(stage.asked.at(-1).messages, [{ role: "user", content: "uno" }]);
  assert.equal(await page.locator(".user .said").allInnerTexts().then(String), "uno");
  await page.getByRole("button", { name: "Earlier branch" }).click();
  assert.equal(await page.locator(".user .said").allInnerTexts().then(String), "one,two");
  stage.script = answer("third answer");
  await page.locator(".answer").last().getByRole("button", { name: "Regenerate" }).click();
  await page.getByText("third answer").waitFor();
  await answered(page, 2);
  assert.match(await page.locator(".answer").last().innerText(), /2 \/ 2/);
  await page.locator(".recent a").first().waitFor();
  const address = await page.locator(".recent a").first().getAttribute("href");
  await page.goto(`${stage.url}/${address}`);
  await page.reload();
  await page.getByText("third answer").waitFor();
  assert.equal(await page.locator(".user .said").allInnerTexts().then(String), "one,two");
  await page.getByRole("button", { name: "Later branch" }).first().click();
  await page.getByText("second answer").waitFor();
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("the Enter of a Japanese conversion never sends", async () => {
  stage.script = answer("ok");
  stage.asked = [];
  const { context, page } = await visit(browser, stage, { locale: "ja-JP" });
  const box = page.locator(".composer textarea");
  await box.focus();
  const cdp = await context.newCDPSession(page);
  await cdp.send("Input.imeSetComposition", { text: "ほしかげ", selectionStart: 4, selectionEnd: 4 });
  await box.press("Enter"); // while the composition is open
  const composing = (type, more) =>
    page.evaluate(([kind, fields]) => {
      document.querySelector(".composer textarea").dispatchEvent(
        new KeyboardEvent(kind, { key: "Enter", bubbles: true, cancelable: true, ...fields }),
      );
    }, [type, more]);
  await composing("keydown", { isComposing: true, keyCode: 13 });
  await composing("keydown", { isComposing: false, keyCode: 229 }); // after compositionend, as some browsers have it
  await cdp.send("Input.insertText", { text: "星影" });
  assert.equal(stage.asked.length, 0);
  assert.equal(await page.locator(".user").count(), 0);
  assert.match(await box.inputValue(), /星影/);
  await box.press("Shift+Enter");
  assert.equal(stage.asked.length, 0);
  await box.press("Enter");
  await answered(page, 1);
  assert.equal(stage.asked.length, 1);
  await context.close();
});

test("thoughts are folded with their duration, and waiting is told", async () => {
  let go;
  const held = new Promise((resolve) => (go = resolve));
  stage.script = [
    ": queue 2", pause(300), ": loading 40%", pause(300), ": prefill 60%", () => held,
    delta({ reasoning_content: "Let me " }), pause(120), delta({ reasoning_content: "see." }), ...answer("Done."),
  ];
  const { context, page, seen } = await visit(browser, stage);
  await page.evaluate(() => {
    globalThis.told = new Set();
    new MutationObserver(() => {
      const words = document.querySelector(".progress [role=status]")?.textContent;
      if (words) globalThis.told.add(words);
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  await ask(page, "Think");
  await page.getByText("Reading the prompt… 60 %").waitFor();
  go();
  const said = await answered(page, 1);
  const told = await page.evaluate(() => [...globalThis.told]);
  for (const words of ["In the queue: 2", "Loading the model… 40 %", "Reading the prompt… 60 %"]) assert.ok(told.includes(words), words);
  const thoughts = said.locator("details.thoughts");
  assert.equal(await thoughts.getAttribute("open"), null);
  assert.match(await thoughts.locator("summary").innerText(), /Thought for [\d.]+ s/);
  await thoughts.locator("summary").click();
  assert.equal(await thoughts.locator(".prose").innerText(), "Let me see.");
  assert.equal(await said.locator(":scope > .prose").innerText(), "Done.");
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("a tool call is shown as one, and its result goes back", async () => {
  const call = (fields) => delta({ tool_calls: [{ index: 0, ...fields }] });
  stage.script = [
    call({ id: "call_1", function: { name: "weather", arguments: "" } }),
    call({ function: { arguments: '{"city": "<b>Osaka' } }), call({ function: { arguments: '</b>"}' } }),
    ...answer("", { finish: "tool_calls" }),
  ];
  stage.asked = [];
  const { context, page, seen } = await visit(browser, stage);
  await ask(page, "Weather?");
  const said = await answered(page, 1);
  assert.match(await said.locator(".call").innerText(), /weather[\s\S]*"city": "<b>Osaka<\/b>"/);
  stage.script = answer("Sunny.");
  await said.getByLabel("Result of weather").fill("sunny");
  await page.getByRole("button", { name: "Send the results" }).click();
  await page.getByText("Sunny.").waitFor();
  await answered(page, 2);
  const sent = stage.asked[1].messages;
  assert.deepEqual(sent[1].tool_calls[0].function, { name: "weather", arguments: '{"city": "<b>Osaka</b>"}' });
  assert.deepEqual(sent[2], { role: "tool", tool_call_id: "call_1", name: "weather", content: "sunny" });
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("files are taken as text, and what is none is said", async () => {
  stage.script = answer("read");
  stage.asked = [];
  const { context, page, seen } = await visit(browser, stage);
  const drop = async (name, bytes) => {
    const data = await page.evaluateHandle(([named, content]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(content)], named));
      return transfer;
    }, [name, [...bytes]]);
    await page.dispatchEvent(".composer", "drop", { dataTransfer: data });
  };
  await drop("notes.md", Buffer.from("# 星\n```\ncode\n```"));
  await page.getByText("notes.md").waitFor();
  await drop("image.png", Buffer.from([0x89, 0x50, 0xff, 0x00]));
  await page.getByText("image.png is no text (UTF-8)").waitFor();
  await ask(page, "Sum up");
  await answered(page, 1);
  assert.equal(stage.asked[0].messages[0].content, "notes.md:\n````\n# 星\n```\ncode\n```\n````\n\nSum up");
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("an error of the server is shown in its words, before the answer and in its middle", async () => {
  stage.script = [delta({ content: "half" }), `data: ${JSON.stringify({ error: { message: "The model crashed <b>hard</b>" } })}`];
  const { context, page, seen } = await visit(browser, stage);
  await ask(page, "Go");
  const said = await answered(page, 1);
  assert.equal(await said.locator("[role=alert]").innerText(), "The model crashed <b>hard</b>");
  assert.equal(await said.locator("> .prose").innerText(), "half");
  stage.script = null;
  await page.getByRole("button", { name: "How it answers" }).click();
  await page.getByLabel("Most tokens (max_tokens)").fill("0.5");
  await ask(page, "Again");
  const refused = await answered(page, 2);
  assert.match(await refused.locator("[role=alert]").innerText(), /max_tokens/);
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("by plain HTTP from another machine, where browsers withhold a part of themselves, one talks all the same", async () => {
  stage.script = answer("Here.");
  const { context, page, seen } = await visit(browser, stage);
  await context.addInitScript(() => {
    delete Crypto.prototype.randomUUID;
    delete Crypto.prototype.subtle;
    delete Navigator.prototype.clipboard;
  });
  await page.reload();
  await ask(page, "Hello");
  const said = await answered(page, 1);
  await said.getByRole("button", { name: "Copy" }).click();
  await said.getByText("Not copied").waitFor();
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("the server restarts while the page is open: it says so, and goes on", async () => {
  const own = await new Server().start();
  const { context, page } = await visit(browser, own);
  await ask(page, "Hello");
  await answered(page, 1);
  await own.stop();
  await ask(page, "Are you there?");
  const lost = await answered(page, 2);
  assert.match(await lost.locator("[role=alert]").innerText(), /cannot be reached/);
  await own.start(); // on the same port
  await lost.getByRole("button", { name: "Regenerate" }).click();
  await page.locator(".answer .stats").nth(1).waitFor();
  assert.equal(await page.locator(".answer [role=alert]").count(), 0);
  await context.close();
  await own.close();
});
