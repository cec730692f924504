// Whole sessions of Node libraries with a tool: FOLDER NAME URL MODEL. The folder is where npm has put them.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, name, url, model] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${folder}/package.json`));
const load = async (one) => import(pathToFileURL(require.resolve(one)));
const DONE = "The file is there, all is done.";
const QUESTION = "How is the weather in Tokyo?";

async function aiSdk() {
  const { generateText, streamText, tool, stepCountIs, jsonSchema } = await load("ai");
  const { createOpenAI } = await load("@ai-sdk/openai");
  const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
  const { createAnthropic } = await load("@ai-sdk/anthropic");
  const base = { baseURL: `${url}/v1`, apiKey: "none" };
  const models = [
    createOpenAI(base)(model),
    createOpenAI(base).chat(model),
    createOpenAICompatible({ ...base, name: "hoshikage" })(model),
    createAnthropic(base)(model),
  ];
  for (const one of models) {
    const asked = [];
    const weather = tool({
      description: "Tells the weather.",
      inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
      execute: async ({ city }) => asked.push(city) && "Sunny.",
    });
    const asking = { model: one, tools: { weather }, prompt: QUESTION, stopWhen: stepCountIs(4) };
    const whole = await generateText(asking);
    const streamed = streamText(asking);
    let said = "";
    for await (const piece of streamed.textStream) said += piece;
    assert.equal(whole.text, DONE);
    assert.ok(said.endsWith(DONE), said);
    assert.deepEqual(asked, ["Tokyo", "Tokyo"]);
  }
}

async function ollama() {
  const { Ollama } = await load("ollama");
  const client = new Ollama({ host: url });
  assert.ok((await client.list()).models.some((one) => one.model === model));
  const tools = [
    {
      type: "function",
      function: {
        name: "weather",
        description: "Tells the weather.",
        parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
      },
    },
  ];
  const messages = [{ role: "user", content: QUESTION }];
  const first = (await client.chat({ model, messages, tools })).message;
  assert.deepEqual(first.tool_calls[0].function.arguments, { city: "Tokyo" });
  messages.push(first, { role: "tool", tool_name: "weather", content: "Sunny." });
  let said = "";
  for await (const part of await client.chat({ model, messages, tools, stream: true })) said += part.message.content;
  assert.equal(said, DONE);
  await spaces(Ollama);
}

// Our server fills a long silence with spaces: the client must skip them in front of a line.
async function spaces(Ollama) {
  const line = (content, done) => `${JSON.stringify({ message: { role: "assistant", content }, done })}\n`;
  const server = createServer((_, answer) => {
    answer.setHeader("Content-Type", "application/x-ndjson");
    for (const piece of [" ", "  ", line("a", false), " ", line("", true)]) answer.write(piece);
    answer.end();
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const client = new Ollama({ host: `http://127.0.0.1:${server.address().port}` });
  const told = [];
  for await (const part of await client.chat({ model, messages: [], stream: true })) told.push(part.done);
  server.close();
  assert.deepEqual(told, [false, true]);
}

await { "ai-sdk": aiSdk, ollama }[name]();
console.log(DONE);
