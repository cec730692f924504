/** Small pictures and sounds, whole, and the ways by which a page gets files. */

import { deflateSync } from "node:zlib";

const TABLE = Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name), data]);
  let sum = 0xffffffff;
  for (const byte of body) sum = TABLE[(sum ^ byte) & 0xff] ^ (sum >>> 8);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE((sum ^ 0xffffffff) >>> 0);
  return Buffer.concat([length, body, check]);
}

/** Black and white, a bit a pixel, so that a large one is a small file. */
export function png(width = 16, height = 16, fill = 0) {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head[8] = 1;
  const rows = Buffer.alloc((1 + Math.ceil(width / 8)) * height);
  if (fill) rows.forEach((_, at) => { if (at % (1 + Math.ceil(width / 8))) rows[at] = fill; });
  const parts = [chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), ...parts]);
}

export function bmp() {
  const file = Buffer.alloc(54 + 8 * 8 * 3, 90);
  file.fill(0, 0, 54);
  file.write("BM", "latin1");
  file.writeUInt32LE(file.length, 2);
  for (const [value, at] of [[54, 10], [40, 14], [8, 18], [8, 22]]) file.writeUInt32LE(value, at);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  return file;
}

export const gif = () => Buffer.from("R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs=", "base64");

/** The browser's own encoder makes it. */
export async function drawn(page, type) {
  const bytes = await page.evaluate(async (wanted) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
    const pen = canvas.getContext("2d");
    const sky = pen.createLinearGradient(0, 0, 0, 240);
    sky.addColorStop(0, "#123");
    sky.addColorStop(1, "#e27d60");
    pen.fillStyle = sky;
    pen.fillRect(0, 0, 320, 240);
    pen.fillStyle = "#fff";
    pen.font = "120px sans-serif";
    pen.fillText("★", 100, 160);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, wanted));
    return [...new Uint8Array(await blob.arrayBuffer())];
  }, type);
  return Buffer.from(bytes);
}

/** Eight bits a sample; without `samples` it is the head alone. */
export function wav(seconds, rate = 8000, samples = seconds * rate) {
  const file = Buffer.alloc(44 + samples, 0x80);
  file.fill(0, 0, 44);
  for (const [text, at] of [["RIFF", 0], ["WAVE", 8], ["fmt ", 12], ["data", 36]]) file.write(text, at, "latin1");
  for (const [value, at] of [[36 + seconds * rate, 4], [16, 16], [rate, 24], [rate, 28], [seconds * rate, 40]]) file.writeUInt32LE(value, at);
  for (const [value, at] of [[1, 20], [1, 22], [1, 32], [8, 34]]) file.writeUInt16LE(value, at);
  return file;
}

/** Frames of silence, 26 ms each. */
export function mp3(frames = 60) {
  const frame = Buffer.alloc(417);
  frame.set([0xff, 0xfb, 0x90, 0x00]);
  return Buffer.concat(Array.from({ length: frames }, () => frame));
}

/** The files as a page gets them when they are dropped or pasted: `[name, type, bytes, more]` each; `more` bytes of
 * zeros stand behind, which nobody reads of a picture. */
async function transfer(page, files, words) {
  return page.evaluateHandle(([list, texts]) => {
    const made = new DataTransfer();
    for (const [name, type, text, more] of list) {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      made.items.add(new File([bytes, new Uint8Array(more)], name, { type }));
    }
    for (const [type, text] of Object.entries(texts)) made.setData(type, text);
    return made;
  }, [files.map(([name, type, bytes, more = 0]) => [name, type, bytes.toString("base64"), more]), words]);
}

export async function drop(page, ...files) {
  await page.dispatchEvent("main", "drop", { dataTransfer: await transfer(page, files, {}) });
}

export async function paste(page, files, words = {}) {
  const given = await transfer(page, files, words);
  await page.locator(".composer textarea").evaluate((box, clipboardData) => {
    box.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, given);
}

/** By the button's file chooser. */
export async function choose(page, label, ...files) {
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: label, exact: true }).click()]);
  await chooser.setFiles(files.map(([name, mimeType, buffer]) => ({ name, mimeType, buffer })));
}
