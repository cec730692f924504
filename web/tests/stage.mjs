/** Stands between page and server, on a port of its own: answers of models are as the test writes them, at its pace.
 * Everything else is the real server's. What a model can be made to say is little; what it might say is anything. */

import { createServer, request } from "node:http";
import { once } from "node:events";

export class Stage {
  constructor(server) {
    this.server = server;
    /** Frames of the next answers, each `data: …` or `: comment`, or a function that is awaited. */
    this.script = null;
    /** Bodies of the chats that were asked for. */
    this.asked = [];
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async start() {
    this.http = createServer((incoming, outgoing) => {
      if (this.script && incoming.url === "/v1/chat/completions") void this.play(incoming, outgoing);
      else this.forward(incoming, outgoing);
    });
    this.http.listen(0, "127.0.0.1");
    await once(this.http, "listening");
    this.port = this.http.address().port;
    return this;
  }

  async play(incoming, outgoing) {
    let body = "";
    for await (const part of incoming) body += part;
    this.asked.push(JSON.parse(body));
    outgoing.writeHead(200, { "Content-Type": "text/event-stream; charset=utf-8" });
    for (const frame of this.script) {
      if (outgoing.destroyed) return;
      if (typeof frame === "function") await frame(outgoing);
      else outgoing.write(`${frame}\n\n`);
    }
    outgoing.end();
  }

  forward(incoming, outgoing) {
    const asked = request(
      { host: "127.0.0.1", port: this.server.port, path: incoming.url, method: incoming.method, headers: incoming.headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode, answer.headers);
        answer.pipe(outgoing);
      },
    );
    asked.on("error", () => outgoing.destroy());
    incoming.pipe(asked);
  }

  async close() {
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, "close");
  }
}

export function delta(fields, finish = null) {
  return `data: ${JSON.stringify({ choices: [{ index: 0, delta: fields, finish_reason: finish }] })}`;
}

export function pause(ms) {
  return () => new Promise((resolve) => setTimeout(resolve, ms));
}

/** A whole answer, in pieces of so many characters. */
export function answer(text, { size = 1e9, every = 0, before = [], finish = "stop" } = {}) {
  const letters = [...text];
  const frames = [...before];
  for (let at = 0; at < letters.length; at += size) {
    frames.push(delta({ content: letters.slice(at, at + size).join("") }));
    if (every) frames.push(pause(every));
  }
  const usage = { prompt_tokens: 7, completion_tokens: letters.length };
  frames.push(delta({}, finish), `data: ${JSON.stringify({ choices: [], usage })}`, "data: [DONE]");
  return frames;
}
