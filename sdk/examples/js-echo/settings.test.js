// Run with `node --test` in this folder: no component is needed.
import assert from "node:assert/strict";
import { test } from "node:test";

import { SCHEMA, SettingsError, parseSettings } from "./settings.js";

test("nothing set means the defaults of the schema", () => {
  const defaults = Object.entries(SCHEMA.properties).map(([name, schema]) => [name, schema.default]);
  assert.deepEqual(parseSettings("{}"), Object.fromEntries(defaults));
});

test("what is set wins, and what is unknown is ignored", () => {
  const settings = parseSettings('{"file": "notes/a.md", "pause_ms": 5, "later": 1}');
  assert.equal(settings.file, "notes/a.md");
  assert.equal(settings.pause_ms, 5);
  assert.ok(!("later" in settings));
});

test("what makes no sense is named", () => {
  const cases = [
    ["{", "JSON"], ["[]", "object"], ["null", "object"], ['{"ask": 1}', "ask"], ['{"pause_ms": true}', "pause_ms"],
    ['{"pause_ms": -1}', "pause_ms"], ['{"pause_ms": 1.5}', "pause_ms"], ['{"file": ""}', "file"],
    ['{"file": "/etc/passwd"}', "file"], ['{"file": "a/../../b"}', "file"],
  ];
  for (const [text, named] of cases) {
    assert.throws(() => parseSettings(text), (error) => error instanceof SettingsError && error.message.includes(named), text);
  }
});
