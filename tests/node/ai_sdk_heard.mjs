// The Vercel AI SDK asks for transcriptions: of the sound file that the variable AUDIO names.

import { readFileSync } from "node:fs";
import { createOpenAI } from "@ai-sdk/openai";
import * as ai from "ai";

globalThis.AI_SDK_LOG_WARNINGS = false;

const transcribe = ai.transcribe ?? ai.experimental_transcribe;
const provider = (url) => createOpenAI({ baseURL: `${url}/v1`, apiKey: "sk-anna-0123456789" });
const audio = () => readFileSync(process.env.AUDIO);

const heard = async (url, model, providerOptions) => {
  const asked = { model: provider(url).transcription(model), audio: audio(), providerOptions, maxRetries: 0 };
  const { text, segments, language, durationInSeconds, responses } = await transcribe(asked);
  return { text, segments, language, durationInSeconds, modelId: responses[0].modelId };
};

export const scenarios = {
  async models(url) {
    const found = {};
    for (const model of ["whisper-1", "gpt-4o-transcribe", "ears", "bare"]) found[model] = await heard(url, model);
    return found;
  },

  // Of verbose_json it insists on every key of a segment.
  async options(url) {
    const openai = { language: "en", prompt: "Before.", temperature: 0.3, timestampGranularities: ["word", "segment"] };
    const bare = { openai: { language: "en", responseFormat: "verbose_json" } };
    return { ears: await heard(url, "whisper-1", { openai }), bare: await heard(url, "bare", bare) };
  },

  async nothing(url) {
    return (await heard(url, "deaf")).text;
  },
};
