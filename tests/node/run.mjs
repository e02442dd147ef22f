// Runs scenarios of a client: node run.mjs MODULE URL SCENARIO..., one line of JSON for each.
// Waiting for the test to look at the server is reading a line of stdin.

import { createInterface } from "node:readline";

const [module, url, ...names] = process.argv.slice(2);
const { scenarios } = await import(`./${module}.mjs`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const wait = () => lines.next();

for (const name of names) {
  try {
    say({ scenario: name, found: await scenarios[name](url, { say, wait }) });
  } catch (error) {
    say({ scenario: name, failed: error.stack });
  }
}
process.exit(0);
