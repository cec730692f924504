/** Who cannot see or cannot point: axe-core in every room, both grounds, narrow and wide; the keyboard alone. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { faults, launch, quiet, visit } from "./browser.mjs";
import { Server } from "./server.mjs";
import { answer, delta, Stage } from "./stage.mjs";

const TEXT = "# Head\n\nText with [link](https://example.com) and `code`.\n\n> quote\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\n# note\ndef f(x): return 'a' + str(1)\n```\n\n$x^2$";
let server, stage, browser, token;

before(async () => {
  server = await new Server().start();
  token = server.token("--admin");
  stage = await new Stage(server).start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stage?.close();
  await server?.close();
});

for (const theme of ["dark", "light"]) {
  for (const width of [375, 1440]) {
    test(`axe finds nothing serious in any room, ${theme}, ${width} pixels`, async () => {
      const { context, page, seen } = await visit(browser, stage, { width });
      await page.evaluate(([word, ground]) => {
        sessionStorage.setItem("hoshikage.token", word);
        localStorage.setItem("hoshikage.theme", ground);
      }, [token, theme]);
      await page.reload();
      await page.locator(".welcome").waitFor();
      assert.deepEqual(await faults(page), [], "welcome");
      const call = delta({ tool_calls: [{ index: 0, id: "c", function: { name: "f", arguments: "{}" } }] });
      stage.script = [delta({ reasoning_content: "Hm." }), ...answer(TEXT, { size: 20 }).slice(0, -3), call, ...answer("", { finish: "tool_calls" })];
      await page.locator(".composer textarea").fill("Hello");
      await page.locator(".composer textarea").press("Enter");
      await page.locator(".hljs-comment").waitFor();
      await page.getByRole("button", { name: "How it answers" }).click();
      assert.deepEqual(await faults(page), [], "chat");
      for (const room of ["history", "models", "library", "machine", "settings"]) {
        await page.goto(`${stage.url}/#/${room}`);
        await page.locator(room === "machine" ? ".plot canvas" : ".card").first().waitFor();
        assert.ok(await page.locator("h1").evaluate((node) => node === document.activeElement), room);
        if (room === "models") await page.getByRole("button", { name: "Add a model" }).click();
        assert.deepEqual(await faults(page), [], room);
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wider <= 0, `${room} is ${wider} pixels too wide`);
      }
      assert.deepEqual(await quiet(page, seen), []);
      await context.close();
    });
  }
}

test("with the keyboard alone: to the content, a chat, another room", async () => {
  stage.script = answer("Typed.");
  const { context, page, seen } = await visit(browser, stage);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  for (let step = 0; step < 12; step += 1) {
    if (await page.evaluate(() => document.activeElement.matches(".composer textarea"))) break;
    await page.keyboard.press("Tab");
  }
  await page.keyboard.type("Hello");
  await page.keyboard.press("Enter");
  await page.getByText("Typed.").waitFor();
  await page.locator(".answer .stats").waitFor();
  for (let step = 0; step < 40; step += 1) {
    await page.keyboard.press("Shift+Tab");
    if (await page.evaluate(() => document.activeElement.getAttribute("href") === "#/settings")) break;
  }
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Settings", exact: true }).waitFor();
  assert.deepEqual(await quiet(page, seen), []);
  await context.close();
});

test("whoever wants no motion gets none", async () => {
  const { context, page } = await visit(browser, stage, { reducedMotion: "reduce" });
  const moving = await page.evaluate(() =>
    [...document.querySelectorAll("*")].filter((node) => {
      const style = getComputedStyle(node);
      return style.transitionDuration !== "0s" || style.animationName !== "none";
    }).length,
  );
  assert.equal(moving, 0);
  await context.close();
});
