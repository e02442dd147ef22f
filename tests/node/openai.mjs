// OpenAI's client for Node, as people use it.

import { createHash } from "node:crypto";
import OpenAI, { APIConnectionTimeoutError, APIError, AzureOpenAI } from "openai";
import { attempts } from "./attempts.mjs";

const client = (url, more = {}) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-anna-0123456789", maxRetries: 0, ...more });
const asked = (more) => ({ model: "tone", voice: "low", input: "one two", response_format: "pcm", ...more });
const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");
const told = (error) => ({
  kind: error.constructor.name,
  known: error instanceof APIError,
  status: error.status,
  code: error.code,
  param: error.param,
  type: error.type,
  message: error.message,
  requestID: error.requestID,
});
const failure = async (promise) => {
  try {
    await promise;
  } catch (error) {
    return told(error);
  }
  return null;
};

async function bytesOf(response) {
  const pieces = [];
  for await (const piece of response.body) pieces.push(piece);
  return { bytes: Buffer.concat(pieces), pieces: pieces.length };
}

export const scenarios = {
  async whole(url) {
    const { data, response, request_id } = await client(url).audio.speech.create(asked()).withResponse();
    const bytes = Buffer.from(await data.arrayBuffer());
    return { size: bytes.length, type: response.headers.get("content-type"), request_id };
  },

  async voices(url) {
    const found = {};
    for (const voice of ["marin", "High", { id: "low" }, { id: "cedar" }]) {
      const response = await client(url).audio.speech.create(asked({ voice }));
      found[typeof voice === "string" ? voice : voice.id] = response.headers.get("x-voicegw-voice");
      await response.arrayBuffer();
    }
    return found;
  },

  async mp3(url) {
    const response = await client(url).audio.speech.create({ model: "tts-1", voice: "alloy", input: "one" });
    const blob = await response.blob();
    return { type: blob.type, size: blob.size };
  },

  async streamed(url) {
    const plain = await client(url).audio.speech.create(asked({ model: "steady", input: "one two three" }));
    const { bytes, pieces } = await bytesOf(plain);
    return { size: bytes.length, pieces };
  },

  async events(url) {
    const body = asked({ model: "steady", response_format: "mp3" });
    const response = await client(url).audio.speech.create({ ...body, stream_format: "sse" });
    const lines = Buffer.from(await response.arrayBuffer()).toString().split("\n").filter(Boolean);
    const events = lines.map((line) => JSON.parse(line.slice("data: ".length)));
    const deltas = events.filter((event) => event.type === "speech.audio.delta");
    const joined = Buffer.concat(deltas.map((event) => Buffer.from(event.audio, "base64")));
    const plain = Buffer.from(await (await client(url).audio.speech.create(body)).arrayBuffer());
    return {
      type: response.headers.get("content-type"),
      prefixed: lines.every((line) => line.startsWith("data: {")),
      deltas: deltas.length,
      same: digest(joined) === digest(plain),
      last: events.at(-1),
    };
  },

  async extras(url) {
    const unknown = { temperature: 0.7, topk: 50, nested: { a: [1] } };
    const response = await client(url).audio.speech.create(asked({ language: "de", speed: 2, ...unknown }));
    const size = (await response.arrayBuffer()).byteLength;
    return { ignored: response.headers.get("x-voicegw-ignored"), size };
  },

  async errors(url) {
    const speech = client(url).audio.speech;
    const stranger = client(url, { apiKey: "wrong" });
    return {
      empty: await failure(speech.create(asked({ input: " " }))),
      speed: await failure(speech.create(asked({ speed: 9 }))),
      voice: await failure(speech.create(asked({ voice: "nobody" }))),
      model: await failure(speech.create(asked({ model: "org/nothing" }))),
      retrieve: await failure(client(url).models.retrieve("org/nothing")),
      key: await failure(stranger.audio.speech.create(asked())),
      server: await failure(speech.create(asked({ model: "faulty", fail_after_chunks: 0 }))),
    };
  },

  async slashes(url) {
    const { made, noting } = attempts();
    const model = await client(url, { fetch: noting }).models.retrieve("org/tone-large");
    return { id: model.id, alias_of: model.alias_of, path: made[0].path };
  },

  async models(url) {
    const ids = [];
    for await (const model of client(url).models.list()) ids.push(model.id);
    return ids;
  },

  // The key may make one request at a time: the second one is refused until the first has gone.
  async retried(url) {
    const single = (more) => client(url, { apiKey: "sk-bert-0123456789", ...more });
    const busy = new AbortController();
    const body = asked({ model: "endless", input: "one ".repeat(400) });
    const first = await single().audio.speech.create(body, { signal: busy.signal });
    const reader = first.body.getReader();
    await reader.read();
    const refused = await failure(single().audio.speech.create(asked()));
    const { made, noting } = attempts();
    noting.hook = async (count) => count === 1 && busy.abort();
    const response = await single({ maxRetries: 5, fetch: noting }).audio.speech.create(asked());
    const size = (await response.arrayBuffer()).byteLength;
    return { refused, made, size };
  },

  async broken(url) {
    const { made, noting } = attempts();
    const impatient = client(url, { maxRetries: 2, fetch: noting });
    const response = await impatient.audio.speech.create(asked({ model: "faulty", fail_after_chunks: 8 }));
    const error = await response.arrayBuffer().then(() => null, (reason) => reason.message);
    return { status: response.status, error, requests: made.length };
  },

  async late(url) {
    const impatient = client(url, { timeout: 50 });
    const error = await impatient.audio.speech.create(asked({ model: "late" })).catch((reason) => reason);
    return { timedOut: error instanceof APIConnectionTimeoutError };
  },

  async aborted(url, { say, wait }) {
    const control = new AbortController();
    const body = asked({ model: "endless", input: "one ".repeat(400) });
    const response = await client(url).audio.speech.create(body, { signal: control.signal });
    const reader = response.body.getReader();
    const { value, done } = await reader.read();
    say({ first: value.length, done });
    await wait();
    control.abort();
    const name = await reader.read().then(() => null, (error) => error.name);
    await wait();
    return { name };
  },

  async azure(url) {
    const { made, noting } = attempts();
    const azure = new AzureOpenAI({
      endpoint: url,
      apiKey: "sk-anna-0123456789",
      apiVersion: "2025-04-01-preview",
      fetch: noting,
    });
    const size = (await (await azure.audio.speech.create(asked())).arrayBuffer()).byteLength;
    return { size, path: made[0].path };
  },

  async environment(url) {
    Object.assign(process.env, { OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: "sk-anna-0123456789" });
    const bare = new OpenAI();
    delete process.env.OPENAI_BASE_URL;
    return (await (await bare.audio.speech.create(asked())).arrayBuffer()).byteLength;
  },
};
