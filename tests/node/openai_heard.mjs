// OpenAI's client for Node asks for transcriptions: of the sound file that the variable AUDIO names.

import { createReadStream, readFileSync } from "node:fs";
import OpenAI, { APIError, AzureOpenAI, toFile } from "openai";
import { attempts } from "./attempts.mjs";

const PATH = process.env.AUDIO;
const client = (url, more = {}) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-anna-0123456789", maxRetries: 0, ...more });
const bytes = () => readFileSync(PATH);
const text = async (promise) => (await promise).text;
const told = (error) => ({
  kind: error.constructor.name,
  known: error instanceof APIError,
  status: error.status,
  code: error.code,
  param: error.param,
  message: error.message,
});
const failure = (promise) => promise.then(() => null, told);

export const scenarios = {
  // Whatever comes first: the file or the model, and whether or not the length is known.
  async files(url) {
    const { transcriptions } = client(url).audio;
    const model = "whisper-1";
    return {
      stream: await text(transcriptions.create({ file: createReadStream(PATH), model })),
      modelFirst: await text(transcriptions.create({ model, file: createReadStream(PATH) })),
      named: await text(transcriptions.create({ file: await toFile(bytes(), "speech.mp3"), model, prompt: "x" })),
      blob: await text(transcriptions.create({ file: new File([bytes()], "blob"), model })),
      typed: await text(transcriptions.create({ file: new File([bytes()], "a.webm", { type: "audio/webm" }), model })),
    };
  },

  async forms(url) {
    const { transcriptions } = client(url).audio;
    const found = {};
    for (const response_format of ["json", "text", "srt", "vtt", "verbose_json"]) {
      found[response_format] = await transcriptions.create({ file: createReadStream(PATH), model: "ears", response_format });
    }
    found.words = await transcriptions.create({
      file: createReadStream(PATH),
      model: "ears",
      response_format: "verbose_json",
      timestamp_granularities: ["word", "segment"],
    });
    return found;
  },

  async everything(url) {
    const { data, response } = await client(url)
      .audio.transcriptions.create({
        file: createReadStream(PATH),
        model: "gpt-4o-transcribe",
        language: "en",
        languages: ["en"],
        keywords: ["voicegw"],
        include: ["logprobs"],
        temperature: 0.2,
        chunking_strategy: { type: "server_vad", threshold: 0.6, prefix_padding_ms: 200, silence_duration_ms: 300 },
        vendor: { a: [1, 2] },
      })
      .withResponse();
    return { data, ignored: response.headers.get("x-voicegw-ignored"), model: response.headers.get("x-voicegw-model") };
  },

  async events(url) {
    const body = { file: createReadStream(PATH), model: "gpt-transcribe", stream: true, segment_s: 1 };
    const found = [];
    for await (const event of await client(url).audio.transcriptions.create(body)) found.push(event);
    return found;
  },

  async broken(url) {
    const body = { file: createReadStream(PATH), model: "ears", stream: true, segment_s: 1, raise_after: 1 };
    const found = [];
    const error = await (async () => {
      for await (const event of await client(url).audio.transcriptions.create(body)) found.push(event.delta);
    })().then(() => null, told);
    return { found, error };
  },

  async translations(url) {
    const { translations } = client(url).audio;
    return {
      json: await translations.create({ file: createReadStream(PATH), model: "whisper-1", prompt: "x" }),
      verbose: await translations.create({
        file: createReadStream(PATH),
        model: "whisper-1",
        response_format: "verbose_json",
        temperature: 0,
      }),
      text: await translations.create({ file: createReadStream(PATH), model: "whisper-1", response_format: "text" }),
    };
  },

  async errors(url) {
    const { transcriptions } = client(url).audio;
    const asked = (more) => ({ file: createReadStream(PATH), model: "ears", ...more });
    const rubbish = await toFile(Buffer.from("rubbish"), "a.wav");
    return {
      temperature: await failure(transcriptions.create(asked({ temperature: 2 }))),
      language: await failure(transcriptions.create(asked({ language: "tlh" }))),
      model: await failure(transcriptions.create(asked({ model: "org/nothing" }))),
      diarizer: await failure(transcriptions.create(asked({ response_format: "diarized_json" }))),
      rubbish: await failure(transcriptions.create(asked({ file: rubbish }))),
      large: await failure(transcriptions.create(asked({ file: await toFile(Buffer.alloc(2 ** 20 + 1), "a.wav") }))),
      server: await failure(transcriptions.create(asked({ raise_after: 0 }))),
    };
  },

  async azure(url) {
    const { made, noting } = attempts();
    const azure = new AzureOpenAI({
      endpoint: url,
      apiKey: "sk-anna-0123456789",
      apiVersion: "2025-04-01-preview",
      fetch: noting,
    });
    const heard = await text(azure.audio.transcriptions.create({ file: createReadStream(PATH), model: "ears" }));
    return { heard, path: made[0].path };
  },
};
