// The Vercel AI SDK with its provider for OpenAI.

import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, experimental_generateSpeech, generateSpeech } from "ai";
import { attempts } from "./attempts.mjs";

const provider = (url, more = {}) => createOpenAI({ baseURL: `${url}/v1`, apiKey: "sk-anna-0123456789", ...more });
const failure = async (promise) => {
  const error = await promise.then(() => null, (reason) => reason);
  const call = APICallError.isInstance(error) ? error : error?.lastError;
  return {
    kind: error?.name,
    call: APICallError.isInstance(call),
    status: call?.statusCode,
    message: call?.message,
    retryable: call?.isRetryable,
    error: call?.data?.error,
  };
};

globalThis.AI_SDK_LOG_WARNINGS = false;

export const scenarios = {
  async formats(url) {
    const found = {};
    for (const outputFormat of [undefined, "mp3", "opus", "aac", "flac", "wav", "pcm"]) {
      const model = provider(url).speech("tone");
      const { audio, warnings, responses } = await generateSpeech({ model, text: "one two", voice: "low", outputFormat });
      found[outputFormat ?? "default"] = {
        size: audio.uint8Array.length,
        mediaType: audio.mediaType,
        format: audio.format,
        sent: responses[0].headers["content-type"],
        modelId: responses[0].modelId,
        warnings: warnings.length,
      };
    }
    return found;
  },

  async options(url) {
    const { audio, warnings, responses } = await experimental_generateSpeech({
      model: provider(url).speech("org/tone-large"),
      text: "one two",
      outputFormat: "pcm",
      speed: 2,
      language: "de",
      providerOptions: { openai: { instructions: "Calmly." } },
      headers: { "x-request-id": "from-the-sdk" },
    });
    const { headers } = responses[0];
    return {
      size: audio.uint8Array.length,
      unsupported: warnings.map((warning) => warning.feature ?? warning.setting),
      ignored: headers["x-voicegw-ignored"],
      requestId: headers["x-request-id"],
    };
  },

  async errors(url) {
    const speak = (model, more = {}) => failure(generateSpeech({ model, text: "one", maxRetries: 0, ...more }));
    return {
      voice: await speak(provider(url).speech("tone"), { voice: "nobody" }),
      model: await speak(provider(url).speech("nothing")),
      key: await speak(provider(url, { apiKey: "wrong" }).speech("tone")),
      server: await speak(provider(url, { fetch: faulty }).speech("faulty")),
    };
  },

  // The key may make one request at a time: the second one is refused until the first has gone.
  async retried(url) {
    const apiKey = "sk-bert-0123456789";
    const busy = new AbortController();
    const body = JSON.stringify({ model: "endless", input: "one ".repeat(400), response_format: "pcm" });
    const headers = { authorization: `Bearer ${apiKey}` };
    const first = await fetch(`${url}/v1/audio/speech`, { method: "POST", headers, body, signal: busy.signal });
    const speak = (fetch, maxRetries) => {
      const model = provider(url, { apiKey, fetch }).speech("tone");
      return generateSpeech({ model, text: "one two", outputFormat: "pcm", maxRetries });
    };
    const refused = await failure(speak(fetch, 0));
    const { made, noting } = attempts();
    noting.hook = async (count) => count === 1 && busy.abort();
    const { audio } = await speak(noting, 5);
    return { refused, statuses: made.map((each) => each.status), size: audio.uint8Array.length, first: first.status };
  },

  async aborted(url, { say, wait }) {
    const control = new AbortController();
    const model = provider(url).speech("endless");
    const speaking = generateSpeech({ model, text: "one ".repeat(400), abortSignal: control.signal });
    const ended = speaking.then(() => null, (error) => (error.cause ?? error).name);
    say({});
    await wait();
    control.abort();
    const name = await ended;
    await wait();
    return { name };
  },

  async environment(url) {
    Object.assign(process.env, { OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: "sk-anna-0123456789" });
    const model = createOpenAI().speech("tone");
    return (await generateSpeech({ model, text: "one two", outputFormat: "pcm" })).audio.uint8Array.length;
  },
};

// The SDK has no way to send what OpenAI does not know; this asks the model to fail.
function faulty(input, init) {
  return fetch(input, { ...init, body: JSON.stringify({ ...JSON.parse(init.body), fail_after_chunks: 0 }) });
}
