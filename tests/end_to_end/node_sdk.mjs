// OpenAI's Node SDK against a running server, as a program made for OpenAI uses it; prints what it got as JSON.
// node node_sdk.mjs FOLDER_OF_THE_SDK URL MODEL EMBEDDING_MODEL
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, baseURL, model, embedder] = process.argv.slice(2);
const OpenAI = createRequire(join(folder, "index.js"))("openai");
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "東京の天気は？" }];
const asked = { model, messages, temperature: 0, max_tokens: 24 };
const got = {};

const whole = await client.chat.completions.create(asked);
got.chat = { text: whole.choices[0].message.content, usage: whole.usage, id: whole._request_id };

const stream = await client.chat.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } });
got.stream = { text: "", usage: null, chunks: 0 };
for await (const chunk of stream) {
  got.stream.chunks += 1;
  got.stream.text += chunk.choices[0]?.delta.content ?? "";
  got.stream.usage = chunk.usage ?? got.stream.usage;
}

const place = {
  type: "object",
  properties: { city: { type: "string", enum: ["東京", "大阪"] }, days: { type: "integer", minimum: 1, maximum: 9 } },
  required: ["city", "days"],
  additionalProperties: false,
};
const weather = { type: "function", function: { name: "weather", parameters: place } };
const forced = { ...asked, max_tokens: 200, tools: [weather], tool_choice: "required", parallel_tool_calls: false };
const called = await client.chat.completions.create(forced);
got.tools = { reason: called.choices[0].finish_reason, call: called.choices[0].message.tool_calls[0].function };

const running = client.chat.completions.stream(forced);
const names = [];
running.on("tool_calls.function.arguments.done", (event) => names.push(event.name));
const streamed = await running.finalChatCompletion();
got.streamed_tools = { names, call: streamed.choices[0].message.tool_calls[0].function };

const held = { type: "json_schema", json_schema: { name: "place", strict: true, schema: place } };
const parsed = await client.chat.completions.parse({ ...asked, max_tokens: 200, response_format: held });
got.parsed = parsed.choices[0].message.parsed ?? JSON.parse(parsed.choices[0].message.content);

const response = await client.responses.create({ model, input: "東京の天気は？", temperature: 0, max_output_tokens: 24 });
got.responses = { text: response.output_text, status: response.status };
const types = [];
const responding = { model, input: "東京の天気は？", temperature: 0, max_output_tokens: 24, stream: true };
for await (const event of await client.responses.create(responding)) types.push(event.type);
got.response_events = types;

const floats = await client.embeddings.create({ model: embedder, input: ["星", "影"], encoding_format: "float" });
const plain = await client.embeddings.create({ model: embedder, input: ["星", "影"] }); // asks for base64 and decodes it
got.embeddings = floats.data.map((one, index) => ({
  length: one.embedding.length,
  norm: Math.hypot(...one.embedding),
  apart: Math.max(...one.embedding.map((value, at) => Math.abs(value - plain.data[index].embedding[at]))),
}));

const listed = [];
for await (const one of client.models.list()) listed.push(one.id);
got.models = listed;

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return { kind: error.constructor.name, status: error.status, code: error.code, param: error.param, id: error.requestID };
  }
  return null;
}
got.errors = [
  await refused(client.chat.completions.create({ ...asked, model: "nobody" })),
  await refused(client.chat.completions.create({ ...asked, temperature: "hot" })),
  await refused(client.chat.completions.create({ ...asked, model: "nobody", stream: true })),
];
const leaving = new AbortController();
const left = await client.chat.completions.create({ ...asked, stream: true }, { signal: leaving.signal });
got.left = 0;
for await (const chunk of left) {
  got.left += 1;
  leaving.abort();
}
process.stdout.write(JSON.stringify(got));
