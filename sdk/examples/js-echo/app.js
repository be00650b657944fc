// An executor in JavaScript: writes the prompt into a file, and shows every pattern of the contract on the way.
import clock from "wasi:clocks/monotonic-clock@0.3.0";
import log from "cyrus:executor/log@0.1.0";

import { SCHEMA, SettingsError, parseSettings } from "./settings.js";
import { openDirectory, writeFile } from "./files.js";

const VERSION = "0.1.0";
// Between two looks at whether a stop was asked for.
const SLICE_MS = 20;

// This instance's one execution.
let running = 0;
let stopped = false;

/** What an execution ends with when something goes wrong: the contract's `execution-error`. */
class Failure extends Error {
  constructor(kind, message, { usage = null, checkpoint = null } = {}) {
    super(message);
    this.value = { kind, message, retryAfter: null, usage, checkpoint, partial: null };
  }
}

const failure = (tag, message, more) => new Failure({ tag }, message, more);
const tokens = { inputTokens: null, outputTokens: null, cacheReadTokens: null, cacheWriteTokens: null };
const NOTHING_USED = { ...tokens, turns: null, cost: null };
const USED = { ...tokens, turns: 1, cost: { amount: 0, source: "reported" } };

function settingsOf(text) {
  try {
    return parseSettings(text);
  } catch (error) {
    if (error instanceof SettingsError) throw failure("invalid-request", error.message);
    throw error;
  }
}

/** Waits in slices: another call cannot settle a promise that this one awaits, so a stop is a flag to look at. */
async function sleep(milliseconds) {
  for (let left = milliseconds; left > 0; left -= SLICE_MS) {
    if (stopped) throw failure("cancelled", "stopped while working");
    await clock.waitFor(Math.min(SLICE_MS, left) * 1_000_000);
  }
}

/** The answer to `checkpoint` or `spend`. It is a value with a tag: nothing is thrown. */
async function durable(future) {
  const answer = await future.read();
  if (answer.tag === "ok") return answer.val;
  if (answer.val.tag === "stopped") throw failure("cancelled", "the host is stopping this execution");
  throw failure("failed", `the host did not commit: ${answer.val.val}`);
}

/** The text that may be written, or why it may not. */
async function permission(context, text, path) {
  const input = JSON.stringify({ path, text });
  const question = { id: "write", kind: { tag: "tool-permission" }, subject: "Write", input, choices: [], deadline: null };
  const answer = await context.ask(question).read();
  switch (answer.tag) {
    case "allow": return { text };
    case "allow-modified": return { text: JSON.parse(answer.val).text };
    case "cancelled": throw failure("cancelled", "stopped while waiting for an answer");
    case "deny": return { reason: answer.val };
    default: return { reason: `not an answer to a permission: ${answer.tag}` };
  }
}

async function work(task, context, emit) {
  const settings = settingsOf(context.settings());
  await emit({ tag: "progress", val: { message: "echoing", fraction: null } });
  if (context.resume() === null) {
    await durable(context.checkpoint(`begun ${context.executionId()}`));
    if (settings.suspend_ms > 0) {
      return { tag: "suspended", val: { checkpoint: "woken", wakeAfter: settings.suspend_ms, usage: NOTHING_USED } };
    }
  }
  await emit({ tag: "message", val: task.prompt });
  await sleep(settings.pause_ms);
  const { product, denials } = await write(task, context, settings, emit);
  await emit({ tag: "usage", val: USED });
  if ((await durable(context.spend(USED))) === "stop") {
    throw failure("budget-exceeded", "the host's limit was reached", { usage: USED });
  }
  if (settings.fail) throw failure("failed", "the settings say `fail`", { usage: USED, checkpoint: "woken" });
  const summary = `Echoed ${task.prompt.length} characters.`;
  const result = { summary, structured: null, product, links: [], usage: USED, denials, checkpoint: null, extensions: [] };
  return { tag: "completed", val: result };
}

async function write(task, context, settings, emit) {
  const nothing = { product: { tag: "nothing" }, denials: [] };
  const workspace = context.workspace();
  if (workspace === null || workspace.access === "read-only") return nothing;
  let text = `${task.prompt}\n`;
  if (settings.ask) {
    const asked = JSON.stringify({ path: settings.file, text });
    const answer = await permission(context, text, settings.file);
    if (answer.text === undefined) {
      await emit({ tag: "warning", val: { code: "permission-denied", message: answer.reason } });
      return { ...nothing, denials: [{ tool: "Write", input: asked, reason: answer.reason }] };
    }
    text = answer.text;
  }
  await emit({ tag: "tool-use", val: { id: "write", tool: "Write", input: JSON.stringify({ path: settings.file }) } });
  try {
    writeFile(openDirectory(workspace.path), settings.file, text);
  } catch (error) {
    const reason = String(error.message ?? error);
    await emit({ tag: "tool-result", val: { id: "write", isError: true, output: reason } });
    throw failure("failed", `cannot write \`${settings.file}\`: ${reason}`);
  }
  await emit({ tag: "tool-result", val: { id: "write", isError: false, output: `${text.length} characters` } });
  return { product: { tag: "workspace" }, denials: [] };
}

/** Runs the work to a value: an exception that got out would end the instance, not only the execution. */
async function settled(task, context, emit) {
  running += 1;
  stopped = false;
  try {
    return { tag: "ok", val: await work(task, context, emit) };
  } catch (error) {
    if (error instanceof Failure) return { tag: "err", val: error.value };
    log.log("error", String(error.stack ?? error));
    return { tag: "err", val: new Failure({ tag: "other", val: error.name ?? "unknown" }, String(error)).value };
  } finally {
    context[Symbol.dispose]();
  }
}

/** Throws the contract's error, not ours: what leaves an export is read by its type. */
function checkSettings(text) {
  try {
    settingsOf(text);
  } catch (error) {
    throw error.value ?? error;
  }
}

export const taskExecutor = {
  describe(settings) {
    checkSettings(settings);
    const description = "Writes the prompt into a file. An example of an executor in JavaScript.";
    const features = ["ask", "resume", "suspend"];
    const settingsSchema = JSON.stringify(SCHEMA);
    return { name: "JavaScript echo", version: VERSION, description, kinds: [], features, settingsSchema };
  },

  async probe(settings) {
    checkSettings(settings);
    return { summary: "ready", version: VERSION, details: [] };
  },

  async executeStreaming(task, context) {
    const events = wit.Stream(wit.Stream.EVENT);
    const outcome = wit.Future(wit.Future.RESULT_OUTCOME_EXECUTION_ERROR);
    const body = async () => {
      const result = await settled(task, context, (event) => events.writable.write([event]));
      // The stream ends before the outcome: the host may leave once it has that.
      events.writable.drop();
      running -= 1;
      await outcome.writable.write(result);
    };
    body();
    return [events.readable, outcome.readable];
  },

  // Not by draining `executeStreaming`: a component may not read a stream of records it writes itself.
  async execute(task, context) {
    const result = await settled(task, context, async () => {});
    running -= 1;
    if (result.tag === "err") throw result.val;
    return result.val;
  },

  isRunning() {
    return running > 0;
  },

  async stop(_mode) {
    if (running === 0) return "already-finished";
    stopped = true;
    while (running > 0) await clock.waitFor(5_000_000);
    return "stopped";
  },
};
