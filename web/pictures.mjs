/** Takes the pictures of docs/ from a real server with its built-in model: `node pictures.mjs FOLDER`. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { launch, visit } from "./tests/browser.mjs";
import { Server } from "./tests/server.mjs";

const FOLDER = process.argv[2] ?? "pictures";
const WORDS = {
  "en-US": ["What is Hoshikage?", "How do I add my own model?"],
  "ja-JP": ["星影とは何ですか？", "モデルを追加するには？"],
};
const WATCHED_MS = 9000;

mkdirSync(FOLDER, { recursive: true });
const server = await new Server().start();
const token = server.token("--admin");
const browser = await launch();

try {
  for (const [width, height, theme, locale] of [[1440, 900, "dark", "en-US"], [375, 720, "light", "ja-JP"]]) {
    const { context, page } = await visit(browser, server, { width, height, locale });
    await page.evaluate(([word, ground]) => {
      sessionStorage.setItem("hoshikage.token", word);
      localStorage.setItem("hoshikage.theme", ground);
    }, [token, theme]);
    await page.reload();
    for (const [index, words] of WORDS[locale].entries()) {
      await page.locator(".composer textarea").fill(words);
      await page.locator(".composer textarea").press("Enter");
      await page.locator(".answer .stats").nth(index).waitFor();
    }
    await page.screenshot({ path: join(FOLDER, `chat-${width}.png`) });
    for (const room of ["history", "models", "library", "machine", "settings"]) {
      await page.goto(`${server.url}/#/${room}`);
      await page.locator(room === "machine" ? ".plot canvas" : ".card").first().waitFor();
      if (room === "machine") await page.waitForTimeout(WATCHED_MS); // so that there is something to plot
      await page.screenshot({ path: join(FOLDER, `${room}-${width}.png`) });
    }
    await context.close();
  }
} finally {
  await browser.close();
  await server.close();
}
