#!/usr/bin/env bash
# javascript_plugin.sh DIRECTORY: tests and builds the JavaScript example with jco alone. `install` has to have run.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/lanes/plugin.bash

export NODE_MODULES=$PWD/target/lanes/javascript-plugin/node_modules
[ -x "$NODE_MODULES/.bin/jco" ] || fail "jco is not there: run tests/lanes/install"
prepare js-echo "$1"
cd "$example"
node --test --test-reporter=dot
node build.mjs "$plugin/js-echo.wasm"
