/** Pictures and sound in the chat, with tiny projectors and a real libmtmd. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { faults, launch, quiet, until, visit } from "./browser.mjs";
import { bmp, choose, drawn, drop, gif, mp3, paste, png, wav } from "./files.mjs";
import { Server } from "./server.mjs";
import { answer, Stage } from "./stage.mjs";

const FOLDER = process.env.HOSHIKAGE_PAGE_MODELS;
const LIBRARY = process.env.HOSHIKAGE_TEST_MTMD;
const PICTURE_TOKENS = 16;
const SOUND_TOKENS = 125;
const MIB = 1 << 20;
let server, stage, browser;

before(async () => {
  const projector = (name) => ["--mmproj", join(FOLDER, "projectors", `${name}.gguf`)];
  const star = join(FOLDER, "star.gguf");
  server = await new Server({
    library: LIBRARY,
    settings: { N_CTX: "2048" },
    models: {
      blind: star,
      hearing: [star, ...projector("sound")],
      qwen: [join(FOLDER, "qwen2vl.gguf"), ...projector("qwen2vl")],
      seeing: [star, ...projector("pictures")],
    },
  }).start();
  stage = await new Stage(server).start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stage?.close();
  await server?.close();
});

/** A tab with that model chosen and short answers, at the stage: with `script` null, the real server answers. */
async function talking(model, { script = null, ...more } = {}) {
  stage.script = script;
  stage.asked = [];
  const visited = await visit(browser, stage, more);
  const { page } = visited;
  visited.sent = [];
  page.on("filechooser", () => {}); // from now on, none is opened by the system
  page.on("request", (request) => {
    if (request.url().endsWith("/v1/chat/completions")) visited.sent.push(JSON.parse(request.postData()));
  });
  await page.locator(".choice select").selectOption(model);
  if (!script) {
    await page.locator("[aria-controls=tuning]").click();
    await page.getByLabel("(max_tokens)").fill("8");
    await page.locator("[aria-controls=tuning]").click();
  }
  return visited;
}

async function ask(page, words, count = 1) {
  await page.locator(".composer textarea").fill(words);
  await page.locator(".composer textarea").press("Enter");
  await answered(page, count);
}

async function answered(page, count) {
  await page.locator(".answer").nth(count - 1).locator(".tools").waitFor();
  await page.locator(".turns[aria-busy=false]").waitFor();
}

/** How large the pictures of the conversation are, once they are drawn. */
async function sizes(page, count) {
  await page.waitForFunction(
    (wanted) => [...document.querySelectorAll(".user img")].filter((one) => one.complete && one.naturalWidth).length === wanted, count,
  );
  return page.locator(".user img").evaluateAll((all) => all.map((one) => one.naturalWidth));
}

const tiles = (page) => page.locator(".composer .tiles li");
const url = (type, bytes) => ({ type: "image_url", image_url: { url: `data:${type};base64,${bytes.toString("base64")}` } });
/** How many files the browser has of pictures and sounds. */
const files = (page) =>
  page.evaluate(() => new Promise((resolve) => {
    indexedDB.open("hoshikage-media").onsuccess = ({ target }) => {
      if (!target.result.objectStoreNames.length) resolve(0);
      else target.result.transaction("files").objectStore("files").count().onsuccess = (found) => resolve(found.target.result);
    };
  }));
/** Puts a file that no conversation names. */
const stray = (page) =>
  page.evaluate(() => new Promise((resolve) => {
    indexedDB.open("hoshikage-media").onsuccess = ({ target }) => {
      target.result.transaction("files", "readwrite").objectStore("files").put(new Blob(["x"]), "stray").onsuccess = resolve;
    };
  }));
/** Notes from now on what is written, by the store's name. */
const noting = (page) =>
  page.evaluate(() => {
    const { put } = IDBObjectStore.prototype;
    globalThis.puts = [];
    IDBObjectStore.prototype.put = function (...given) {
      globalThis.puts.push(this.name);
      return put.apply(this, given);
    };
  });

test("a picture by button, by drop and by paste; one is taken away, a model reads the rest, and they stay", async () => {
  const { context, page, seen, sent } = await talking("seeing");
  const [jpeg, webp] = [await drawn(page, "image/jpeg"), await drawn(page, "image/webp")];
  await choose(page, "Attach pictures", ["star.png", "image/png", png(16, 16)]);
  await drop(page, ["photo.jpg", "image/jpeg", jpeg]);
  await paste(page, [["image.png", "image/png", png(24, 24)]]);
  await paste(page, [["image.png", "image/png", webp]]); // its bytes count, whatever it is called
  await tiles(page).nth(3).waitFor();
  assert.deepEqual(
    await page.locator(".composer .tiles img").evaluateAll((all) => all.map((one) => one.alt)),
    ["star.png", "photo.jpg", "image.png", "image (2).png"],
  );
  await page.getByRole("button", { name: "Remove star.png" }).click();
  assert.ok(await page.locator(".composer textarea").evaluate((one) => one === document.activeElement));
  await ask(page, "What is it?");
  const content = [
    url("image/jpeg", jpeg), url("image/png", png(24, 24)), url("image/webp", webp), { type: "text", text: "What is it?" },
  ];
  assert.deepEqual(sent[0].messages, [{ role: "user", content }]);
  const prompt = Number(/prompt (\d+)/.exec(await page.locator(".answer .stats").innerText())[1]);
  assert.ok(prompt >= 3 * PICTURE_TOKENS, String(prompt));
  assert.equal(await tiles(page).count(), 0);
  assert.deepEqual(await sizes(page, 3), [320, 24, 320]);

  await page.goto(`${stage.url}/${await page.locator(".recent a").first().getAttribute("href")}`);
  await page.reload();
  assert.deepEqual(await sizes(page, 3), [320, 24, 320]);
  await page.getByRole("button", { name: "Regenerate" }).click();
  await answered(page, 1);
  assert.deepEqual(sent[1].messages, [{ role: "user", content }]);
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByRole("button", { name: "Remove image.png" }).click();
  await page.locator(".editing textarea").fill("And now?");
  await page.getByRole("button", { name: "Send as a branch" }).click();
  await answered(page, 1);
  assert.deepEqual(sent[2].messages, [{ role: "user", content: [content[0], content[2], { type: "text", text: "And now?" }] }]);
  assert.deepEqual(await sizes(page, 2), [320, 320]);
  await page.getByRole("button", { name: "Earlier branch" }).first().click();
  assert.deepEqual(await sizes(page, 3), [320, 24, 320]);
  assert.equal(await page.locator(".answer .fault").count(), 0);
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("every format of pictures, without a word, read by a model with M-RoPE", async () => {
  const { context, page, seen, sent } = await talking("qwen");
  await drop(
    page, ["a", "", png()], ["b", "", await drawn(page, "image/jpeg")], ["c", "", await drawn(page, "image/webp")],
    ["d", "", gif()], ["e", "", bmp()],
  );
  await tiles(page).nth(4).waitFor();
  await page.getByRole("button", { name: "Send" }).click();
  await answered(page, 1);
  const types = sent[0].messages[0].content.map((part) => /^data:([^;]+)/.exec(part.image_url.url)[1]);
  assert.deepEqual(types, ["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp"]);
  assert.equal(await page.locator(".answer .fault").count(), 0);
  assert.equal(await page.locator("h1").innerText(), "a");
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("a sound is attached, heard by the model, and can be played", async () => {
  const { context, page, seen, sent } = await talking("hearing");
  await choose(page, "Attach sound", ["tone.wav", "audio/wav", wav(1)], ["tone.mp3", "audio/mpeg", mp3()]);
  await drop(page, ["star.png", "image/png", png()]);
  await page.getByText("star.png: hearing takes no pictures").waitFor();
  assert.equal(await tiles(page).count(), 2);
  await ask(page, "What is it?");
  const [first, second] = sent[0].messages[0].content;
  assert.deepEqual(first, { type: "input_audio", input_audio: { data: wav(1).toString("base64"), format: "wav" } });
  assert.deepEqual(second.input_audio.format, "mp3");
  const prompt = Number(/prompt (\d+)/.exec(await page.locator(".answer .stats").innerText())[1]);
  assert.ok(prompt >= 2 * SOUND_TOKENS, String(prompt));
  await page.waitForFunction(() => document.querySelectorAll(".user audio")[0]?.duration === 1);
  await page.goto(`${stage.url}/${await page.locator(".recent a").first().getAttribute("href")}`);
  await page.reload();
  await page.waitForFunction(() => [...document.querySelectorAll(".user audio")].every((one) => one.duration > 0.9));
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("a model that takes none: the button says why, and so does all that is dropped, attached before or kept", async () => {
  const { context, page, seen, sent } = await talking("blind");
  const button = page.getByRole("button", { name: "Attach pictures", exact: true });
  assert.equal(await button.getAttribute("aria-disabled"), "true");
  await button.click({ force: true });
  await page.locator(".composer [role=alert]", { hasText: "blind takes neither pictures nor sound" }).waitFor();
  await drop(page, ["star.png", "image/png", png()], ["notes.txt", "text/plain", Buffer.from("BM: words")]);
  await page.locator(".composer [role=alert]", { hasText: "star.png: blind takes no pictures" }).waitFor();
  await page.getByRole("button", { name: "Remove notes.txt" }).click();
  await page.locator(".choice select").selectOption("seeing");
  await drop(page, ["star.png", "image/png", png()], ["unknown.heic", "", Buffer.from([0, 0, 0, 24, 0x66, 0x74, 0x79, 0x70])]);
  await page.getByText("unknown.heic is neither text (UTF-8) nor PNG, JPEG, WebP, GIF, BMP").waitFor();
  await page.locator(".choice select").selectOption("blind");
  await page.locator(".composer [role=alert]", { hasText: "blind takes no pictures" }).waitFor();
  assert.ok(await page.getByRole("button", { name: "Send" }).isDisabled());
  await page.locator(".composer textarea").fill("Never sent");
  await page.locator(".composer textarea").press("Enter");
  assert.equal(sent.length, 0);
  await page.locator(".choice select").selectOption("seeing");
  await ask(page, "What is it?");
  await page.locator(".choice select").selectOption("blind");
  await ask(page, "And without?", 2);
  assert.equal(sent[1].messages[0].content[0].text, "[image left out: it cannot be used]");
  assert.match(await page.locator(".answer").nth(1).locator(".fault").innerText(), /^1 earlier .* not sent, as blind does not take/);
  await page.locator(".answer").first().getByRole("button", { name: "Regenerate" }).click(); // what is asked about is refused by the server
  await answered(page, 1);
  assert.match(await page.locator(".answer [role=alert]").innerText(), /does not read pictures.*--mmproj/);
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("what is too large is refused before it is sent, with the limit", async () => {
  const { context, page, seen } = await talking("seeing");
  const refused = async (words, ...list) => {
    await drop(page, ...list);
    await page.locator(".composer [role=alert]", { hasText: words }).waitFor();
  };
  await refused("huge.png is too large (at most 12 MiB)", ["huge.png", "", png(), 12 * MIB]);
  await refused("wide.png is too large (8,000 × 5,001 pixels, at most 40 megapixels)", ["wide.png", "", png(8000, 5001)]);
  await refused("cut.png cannot be read as a picture", ["cut.png", "", png().subarray(0, 30)]);
  assert.equal(await tiles(page).count(), 0);
  await refused("With two.png it is too much", ["one.png", "", png(), 7 * MIB], ["two.png", "", png(), 7 * MIB]);
  assert.equal(await tiles(page).count(), 1);
  await refused("64.png is one too many (at most 64", ...Array.from({ length: 64 }, (_, at) => [`${at + 1}.png`, "", png()]));
  assert.equal(await tiles(page).count(), 64);
  await page.goto(`${stage.url}/#/chat/new`);
  await page.locator(".choice select").selectOption("hearing");
  await refused("long.wav is too long (31 minutes, at most 30)", ["long.wav", "", wav(31 * 60, 3000, 0), 31 * 60 * 3000]);
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("of a long conversation the newest pictures are sent, as many as the server takes", async () => {
  const { context, page, seen } = await talking("seeing", { script: answer("ok") });
  for (const [count, size] of [[1, 5], [2, 5], [3, 6]]) {
    await drop(page, [`${count}.png`, "", png(8 * count), size * MIB]);
    await tiles(page).first().waitFor();
    await ask(page, `Number ${count}`, count);
  }
  const kinds = stage.asked[2].messages.filter((one) => one.role === "user").map((one) => one.content[0].type);
  assert.deepEqual(kinds, ["text", "image_url", "image_url"]);
  assert.ok(JSON.stringify(stage.asked[2]).length < 20 * MIB);
  assert.match(await page.locator(".answer").nth(2).locator(".fault").innerText(), /^1 earlier .* \(at most 12 MiB and 64 files/);
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("words of an office program are pasted as words, though a picture of them comes along", async () => {
  const { context, page } = await talking("seeing");
  const picture = ["image.png", "image/png", png()];
  await paste(page, [picture], { "text/plain": "1\t2", "text/html": "<table></table>" });
  await paste(page, [picture], { "text/html": "<img src=x>" }); // a picture that was copied from a page
  await tiles(page).first().waitFor();
  assert.equal(await tiles(page).count(), 1);
  await context.close();
});

test("a browser without room says so: the picture is sent, and is not there after a reload", async () => {
  const { context, page, seen, sent } = await talking("seeing", { script: answer("ok") });
  const cdp = await context.newCDPSession(page);
  await cdp.send("Storage.overrideQuotaForOrigin", { origin: stage.url, quotaSize: 100_000 });
  await drop(page, ["large.png", "", png(), 4 * MIB]);
  await tiles(page).first().waitFor();
  await ask(page, "What is it?");
  await page.locator("main > [role=alert]", { hasText: "this browser does not keep them" }).waitFor();
  assert.equal(sent[0].messages[0].content[0].type, "image_url");
  await page.getByRole("button", { name: "Regenerate" }).click(); // it is held until the page is closed
  await answered(page, 1);
  assert.equal(sent[1].messages[0].content[0].type, "image_url");
  await page.goto(`${stage.url}/${await page.locator(".recent a").first().getAttribute("href")}`);
  await page.reload();
  await page.getByText("large.png (not kept in this browser)").waitFor();
  await page.getByRole("button", { name: "Regenerate" }).click();
  await page.locator(".answer [role=alert]", { hasText: "large.png is not kept in this browser any more" }).waitFor();
  await ask(page, "Go on", 2);
  assert.equal(sent[2].messages[0].content[0].text, "[image left out: it cannot be used]");
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("pictures go out and come in with their conversation, and go with the last that has them", async () => {
  const { context, page, seen } = await talking("seeing", { script: answer("ok") });
  const jpeg = await drawn(page, "image/jpeg");
  await drop(page, ["photo.jpg", "", jpeg], ["star.png", "", png()]);
  await tiles(page).nth(1).waitFor();
  await noting(page);
  await ask(page, "Kept");
  await page.waitForFunction(() => globalThis.puts.filter((store) => store === "files").length === 2);
  assert.equal(await page.evaluate(() => globalThis.puts[0]), "conversations"); // which names the files
  await page.goto(`${stage.url}/#/history`);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "JSON: Kept" }).click()]);
  const text = await readFile(await download.path(), "utf8");
  const media = Object.values(JSON.parse(text).conversations[0].turns).flatMap((turn) => turn.media ?? []);
  assert.deepEqual(media.map(({ name, format }) => [name, format]), [["photo.jpg", "jpeg"], ["star.png", "png"]]);
  assert.equal(JSON.parse(text).media[media[0].id], jpeg.toString("base64"));
  assert.equal(await files(page), 2);

  const other = await visit(browser, stage, { hash: "#/history" });
  const take = (name, words) =>
    other.page.locator("input[type=file]").setInputFiles({ name, mimeType: "application/json", buffer: Buffer.from(words) });
  await noting(other.page);
  await take("good.json", text);
  await other.page.getByText("1 imported").waitFor();
  assert.deepEqual(await other.page.evaluate(() => globalThis.puts), ["conversations", "files", "files"]);
  const hostile = JSON.parse(text); // another conversation with the one file, and one that is no picture
  hostile.conversations[0].id = "hostile";
  hostile.conversations[0].title = "Other";
  hostile.media[media[0].id] = png().toString("base64"); // there is one of that id: it stays
  hostile.media[media[1].id] = Buffer.from("<svg onload=pwned(1)>").toString("base64");
  hostile.media.more = "unnamed";
  await take("hostile.json", JSON.stringify(hostile).replaceAll(media[1].id, "svg"));
  await other.page.locator(".cardtitle", { hasText: "Other" }).click();
  assert.deepEqual(await sizes(other.page, 1), [320]);
  await other.page.getByText("star.png (not kept in this browser)").waitFor();
  assert.equal(await files(other.page), 2);
  await stray(other.page); // as a deletion that failed leaves it: it goes with the next
  for (const [name, left] of [["Kept", 1], ["Other", 0]]) {
    await other.page.goto(`${stage.url}/#/history`);
    await other.page.getByRole("button", { name: `Delete: ${name}` }).click();
    await other.page.getByRole("button", { name: "Really delete" }).click();
    await other.page.locator(".cardtitle", { hasText: name }).waitFor({ state: "detached" });
    assert.equal(await files(other.page), left);
  }
  await stray(page);
  await page.reload(); // or when the page is opened
  await until(async () => (await files(page)) < 3);
  assert.equal(await files(page), 2);
  assert.deepEqual(await quiet(page, seen), []);
  assert.deepEqual(await quiet(other.page, other.seen), []);
  await context.close();
  await other.context.close();
});

for (const [theme, width, locale, attach, remove] of [
  ["dark", 1440, "en-US", "Attach pictures", "Remove star.png"],
  ["light", 375, "ja-JP", "画像を添える", "star.png を外す"],
]) {
  test(`with the keyboard alone, and nothing serious for axe: ${theme}, ${width} pixels, ${locale}`, async () => {
    const { context, page, seen } = await talking("seeing", { script: answer("ok"), width, locale });
    await page.evaluate((ground) => (document.documentElement.dataset.theme = ground), theme);
    const tab = async (found) => {
      for (let step = 0; step < 20 && !(await found.evaluate((one) => one === document.activeElement)); step += 1) await page.keyboard.press("Shift+Tab");
      assert.ok(await found.evaluate((one) => one === document.activeElement));
    };
    await page.locator(".composer textarea").focus();
    await tab(page.getByRole("button", { name: attach, exact: true }));
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
    await chooser.setFiles([{ name: "star.png", mimeType: "image/png", buffer: png() }, { name: "moon.png", mimeType: "image/png", buffer: png(32, 32, 0x5a) }]);
    await tiles(page).nth(1).waitFor();
    assert.deepEqual(await faults(page), [], "attached");
    await tab(page.getByRole("button", { name: remove }));
    await page.keyboard.press("Enter");
    await page.keyboard.type("?");
    await page.keyboard.press("Enter");
    await answered(page, 1);
    await sizes(page, 1);
    assert.deepEqual(await faults(page), [], "sent");
    const picture = page.locator(".user .picture");
    await tab(picture);
    await page.keyboard.press("Enter");
    await page.locator("dialog[open]").waitFor();
    assert.deepEqual(await faults(page), [], "enlarged");
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "detached" });
    assert.ok(await picture.evaluate((one) => one === document.activeElement));
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `${wider} pixels too wide`);
    assert.deepEqual(await quiet(page, seen), []);
    await context.close();
  });
}
