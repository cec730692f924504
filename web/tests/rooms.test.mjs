/** The rooms that administer: with a token, with a wrong one, without; and how quiet the page is. */

import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { launch, quiet, until, visit } from "./browser.mjs";
import { DEMO, libraries, MODEL, Server } from "./server.mjs";

let server, browser, token;

before(async () => {
  const found = libraries();
  server = new Server({ library: null });
  for (const release of ["b8390", "v0.5.0"]) {
    const slot = join(server.environ.XDG_CONFIG_HOME, "hoshikage", "lib-slots", release);
    mkdirSync(slot, { recursive: true });
    const folder = dirname(found[release]);
    for (const name of readdirSync(folder)) if (!name.endsWith(".node")) cpSync(join(folder, name), join(slot, name));
  }
  server.command("lib", "use", "b8390");
  token = server.token("--admin");
  await server.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.close();
});

/** A tab whose session has the token. */
async function administering(hash) {
  const visited = await visit(browser, server);
  await visited.page.evaluate((word) => sessionStorage.setItem("hoshikage.token", word), token);
  await visited.page.goto(`${server.url}/${hash}`);
  await visited.page.reload();
  return visited;
}

test("opening every room loads no model, and a hidden page asks for nothing", async () => {
  const { context, page, seen } = await administering("#/chat");
  for (const room of ["history", "models", "library", "machine", "settings", "chat"]) {
    await page.goto(`${server.url}/#/${room}`);
    await page.locator("h1").waitFor();
  }
  const status = await server.status();
  assert.equal(status.model.state, "unloaded");
  assert.equal(status.totals.loads, 0);
  assert.equal(status.runner.pid, null);
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(`${server.url}/#/machine`);
  await page.waitForRequest("**/v1/status");
  await page.waitForRequest("**/v1/status");
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.waitForTimeout(500); // what was on its way
  asked.length = 0;
  await page.waitForTimeout(5000);
  assert.deepEqual(asked, []);
  const again = page.waitForRequest("**/v1/status");
  await page.evaluate(() => {
    delete document.hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await again;
  await page.goto(`${server.url}/#/chat`); // a page that only stands there
  await page.waitForTimeout(500);
  asked.length = 0;
  await page.waitForTimeout(4000);
  assert.deepEqual(asked, []);
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("without a token, with a wrong one, with one that may not administer, with the right one", async () => {
  const { context, page, seen } = await visit(browser, server, { hash: "#/models" });
  await page.getByText("An access token for administration is needed.").waitFor();
  const enter = async (word) => {
    await page.goto(`${server.url}/#/settings`);
    await page.getByLabel("Access token").fill(word);
    await page.getByRole("button", { name: "Use", exact: true }).click();
    await page.goto(`${server.url}/#/models`);
  };
  await enter("wrong");
  await page.locator("main [role=alert]").first().waitFor();
  assert.equal(await page.locator(".card .state").count(), 0);
  await enter(server.token());
  await page.locator("main [role=alert]").first().waitFor();
  assert.equal(await page.locator(".card .state").count(), 0);
  await enter(token);
  await page.getByText(MODEL, { exact: true }).first().waitFor();
  assert.equal(await page.locator("main [role=alert]").count(), 0);
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("where every client needs a token, the page asks for one before a chat", async () => {
  const guarded = await new Server({ settings: { REQUIRE_TOKEN: "always" }, library: libraries()["v0.5.0"], early: true }).start();
  const word = guarded.token();
  const { context, page } = await visit(browser, guarded);
  await page.getByText("An access token is needed.").waitFor();
  await page.getByRole("link", { name: "Settings" }).first().click();
  await page.getByLabel("Access token").fill(word);
  await page.getByRole("button", { name: "Use", exact: true }).click();
  await page.goto(`${guarded.url}/#/chat`);
  await page.locator(".composer textarea").fill("Hello");
  await page.locator(".composer textarea").press("Enter");
  await page.locator(".answer .stats").waitFor();
  await context.close();
  await guarded.close();
});

test("a room is not told that another one needs a token", async () => {
  const { context, page } = await visit(browser, server, { locale: "ja-JP", hash: "#/machine" });
  const notice = page.locator("main > .notice");
  for (const name of ["履歴", "会話"]) {
    await page.locator("nav.rooms a[href='#/machine']").click();
    await notice.getByText("管理用のアクセストークンが要ります。").waitFor();
    await page.locator(`nav.rooms a[href='#/${name === "履歴" ? "history" : "chat"}']`).click();
    await page.locator("h1").waitFor();
    await notice.waitFor({ state: "detached" });
  }
  await page.locator("nav.rooms a[href='#/settings']").click();
  await page.locator("main code", { hasText: "hoshikage token create 名前 --admin" }).waitFor();
  await context.close();
});

test("a model is checked, added, loaded, unloaded, changed and removed", async () => {
  const { context, page, seen } = await administering("#/models");
  await page.getByRole("button", { name: "Add a model" }).click();
  await page.getByLabel("Absolute path of the GGUF file").fill("/nowhere/x.gguf");
  await page.getByRole("button", { name: "Check the file" }).click();
  await page.locator("form [role=alert]").waitFor();
  assert.match(await page.locator("form [role=alert]").innerText(), /\/nowhere\/x\.gguf/);
  await page.getByLabel("Absolute path of the GGUF file").fill(DEMO);
  await page.getByRole("button", { name: "Check the file" }).click();
  await page.getByText(/needs about .* fits into what is free/).last().waitFor();
  await page.getByLabel("Name").fill("second");
  await page.getByText("Settings of its own").click();
  await page.getByLabel("n_ctx").fill("256");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("n_ctx = 256").waitFor();
  await page.getByRole("button", { name: "Load: second", exact: true }).click();
  await page.getByRole("button", { name: "Unload: second" }).waitFor();
  assert.equal((await server.status()).model.id, "second");
  await page.getByRole("button", { name: "Unload: second" }).click();
  await page.getByRole("button", { name: "Load: second", exact: true }).waitFor();
  await until(async () => (await server.status()).model.state === "unloaded"); // the button is there once it has begun
  await page.getByRole("button", { name: "Settings: second" }).click();
  await page.getByLabel("n_ctx").fill("99999999");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("form [role=alert]").waitFor();
  await page.getByLabel("n_ctx").fill("512");
  await page.getByLabel("temperature").fill("0.5");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("n_ctx = 512, temperature = 0.5").waitFor();
  await page.getByRole("button", { name: "Remove: second" }).click();
  await page.getByRole("button", { name: "Really remove" }).click();
  await page.getByText("second", { exact: true }).waitFor({ state: "detached" });
  assert.deepEqual((await (await fetch(`${server.url}/v1/models`)).json()).data.map((one) => one.id), [MODEL]);
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("of two loaded models each is shown and let go by itself", async (t) => {
  const models = { one: DEMO, two: [DEMO, "--n-ctx", "256"] };
  const both = await new Server({ settings: { MAX_MODELS: "2" }, models }).start();
  t.after(() => both.close());
  const word = both.token("--admin");
  const { context, page, seen } = await visit(browser, both, { hash: "#/models" });
  await page.evaluate((given) => sessionStorage.setItem("hoshikage.token", given), word);
  await page.reload();
  const loaded = async () => (await both.status()).runners.filter((one) => one.kind === "chat").map((one) => one.model).sort();
  for (const name of ["one", "two"]) {
    await page.getByRole("button", { name: `Load: ${name}`, exact: true }).click();
    await page.locator(".card", { has: page.getByRole("button", { name: `Unload: ${name}` }) }).locator(".ready").waitFor();
  }
  assert.equal(await page.locator(".card .state.ready").count(), 2);
  assert.deepEqual(await loaded(), ["one", "two"]);
  await page.getByRole("button", { name: "Unload: one" }).click();
  await page.getByRole("button", { name: "Load: one", exact: true }).waitFor();
  assert.deepEqual(await loaded(), ["two"]);
  assert.equal(await page.getByRole("button", { name: "Unload: two" }).count(), 1);
  both.command("rm", "two"); // it stays loaded, and only the machine knows it
  await page.goto(`${both.url}/#/machine`);
  const row = page.locator(".runners li");
  await row.waitFor();
  assert.match(await row.innerText(), /^two\s+loaded\s+[\d.]+ MiB · Unloads in \d+:\d\d/);
  await page.getByRole("button", { name: "Unload: two" }).click();
  await row.waitFor({ state: "detached" });
  assert.deepEqual(await loaded(), []);
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("a persona is made, talked to and removed", async () => {
  const { context, page, seen } = await administering("#/models");
  await page.getByRole("button", { name: "Make a persona" }).click();
  await page.getByLabel("Name").fill("poet");
  await page.getByLabel("System prompt").fill("Speak in verse.");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Speak in verse.").waitFor();
  await page.goto(`${server.url}/#/chat`);
  await page.locator(".choice select").selectOption("poet");
  await page.locator(".composer textarea").fill("Hello");
  await page.locator(".composer textarea").press("Enter");
  await page.locator(".answer .stats").waitFor();
  assert.equal(await page.locator(".who").innerText(), "poet");
  await page.goto(`${server.url}/#/models`);
  await page.getByRole("button", { name: "Remove: poet" }).click();
  await page.getByRole("button", { name: "Really remove" }).click();
  await page.getByText("Speak in verse.").waitFor({ state: "detached" });
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("a library is switched and taken back, and the next answer comes from it", async () => {
  const { context, page, seen } = await administering("#/library");
  const used = async () => page.locator(".card.chosen strong").innerText();
  await page.locator(".card.chosen").waitFor();
  assert.equal(await used(), "b8390");
  await page.getByRole("button", { name: "Use: v0.5.0" }).click();
  await page.getByText("v0.5.0 (v0.5.0) is used.").waitFor();
  await page.locator(".card.chosen", { hasText: "v0.5.0" }).waitFor();
  await page.goto(`${server.url}/#/chat/new`);
  await page.locator(".composer textarea").fill("Hello");
  await page.locator(".composer textarea").press("Enter");
  await page.locator(".answer .stats").waitFor();
  assert.equal((await server.status()).library.release, "v0.5.0");
  await page.goto(`${server.url}/#/library`);
  await page.getByRole("button", { name: "Roll back" }).click();
  await page.getByText("b8390 (b8390) is used.").waitFor();
  await page.locator(".card.chosen", { hasText: "b8390" }).waitFor();
  assert.equal((await server.status()).model.state, "unloaded"); // it made way
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("the machine is shown: state, clock, plots, answers, log", async () => {
  const { context, page, seen } = await administering("#/chat");
  await page.locator(".composer textarea").fill("a private question");
  await page.locator(".composer textarea").press("Enter");
  await page.locator(".answer .stats").waitFor();
  await page.goto(`${server.url}/#/machine`);
  await page.locator(".plot canvas").nth(2).waitFor();
  const clock = async () => (await page.locator(".clock").first().innerText()).split(":").map(Number).reduce((m, s) => m * 60 + s);
  const first = await clock();
  assert.ok(first > 0 && first <= 300, String(first));
  await page.waitForFunction((before) => {
    const [minutes, rest] = document.querySelector(".clock").innerText.split(":").map(Number);
    return minutes * 60 + rest < before;
  }, first);
  assert.match(await page.locator("table tbody tr").first().innerText(), new RegExp(MODEL));
  assert.match(await page.locator(".plot [role=img]").first().getAttribute("aria-label"), /Tokens\/s: [\d.]+/);
  await page.waitForFunction(() => /POST \/v1\/chat\/completions 200/.test(document.querySelector(".log").textContent));
  assert.ok(!(await page.locator(".log").innerText()).includes("private"));
  await page.evaluate(() => localStorage.setItem("hoshikage.lang", "ja"));
  await page.reload();
  const time = page.getByRole("region", { name: "最近の回答" }).locator("tbody td").first();
  assert.match(await time.innerText(), /^\d{1,2}:\d\d:\d\d$/, "the page's language counts, not the browser's");
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("settings: language, colours and size stay; what the server runs with is told with its source", async () => {
  const { context, page, seen } = await administering("#/settings");
  const row = page.locator("tr", { hasText: "N_CTX" });
  await row.waitFor();
  assert.match(await row.innerText(), /1024\s+environment/);
  await page.getByLabel("Language").selectOption("ja");
  await page.getByRole("heading", { name: "設定", exact: true }).waitFor();
  await page.getByLabel("色").selectOption("light");
  await page.getByLabel("文字の大きさ").selectOption("130");
  await page.reload();
  await page.getByRole("heading", { name: "設定", exact: true }).waitFor();
  const shown = await page.evaluate(() => [
    document.documentElement.lang, getComputedStyle(document.body).backgroundColor, getComputedStyle(document.documentElement).fontSize,
  ]);
  assert.deepEqual(shown, ["ja", "rgb(255, 255, 255)", "20.8px"]);
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});
