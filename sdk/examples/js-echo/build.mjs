// Builds the component: `node build.mjs [OUTPUT]`, after `npm install`. With NODE_MODULES set, jco is taken from that
// folder.
//
// jco takes one folder of WIT, with what it depends on in `deps`. So that folder is put together here: our world,
// the contract, and the parts of WASI that jco itself ships.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const output = resolve(process.argv[2] ?? join(here, "dist", "js-echo.wasm"));
const wit = join(here, "dist", "wit");
const modules = process.env.NODE_MODULES ?? join(here, "node_modules");
const jco = join(modules, "@bytecodealliance", "jco");
const shipped = ["0.3.0/wasi-clocks", "0.2.12/wasi-clocks", "0.2.12/wasi-filesystem", "0.2.12/wasi-io"];

rmSync(wit, { recursive: true, force: true });
mkdirSync(dirname(output), { recursive: true });
cpSync(join(here, "wit"), wit, { recursive: true });
cpSync(join(here, "..", "..", "..", "wit"), join(wit, "deps", "cyrus-executor"), { recursive: true });
for (const part of shipped) {
  cpSync(join(jco, "lib", "wit", "builtin", part), join(wit, "deps", part.replace("/", "-")), { recursive: true });
}

execFileSync(
  join(modules, ".bin", "jco"),
  ["componentize", "app.js", "--backend", "qjs", "--wit", wit, "--world-name", "plugin", "--out", output],
  { cwd: here, stdio: "inherit" },
);
