#!/usr/bin/env bash
# Builds the Python example with componentize-py alone and runs it as a plugin. `install` has to have run.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/lanes/plugin.bash

tool=$PWD/target/lanes/python-plugin/bin/componentize-py
[ -x "$tool" ] || fail "componentize-py is not there: run tests/lanes/install"
prepare python-echo
(
  cd "$example"
  export PYTHONDONTWRITEBYTECODE=1
  "$(dirname "$tool")/python" -m unittest --quiet
  "$tool" -d ../../../wit -d ../../rust/wit/deps/clocks.wit -d wit -w example:python-echo/plugin \
    --import-interface-name cyrus:executor/types@0.1.0=contract componentize app -o "$plugin/python-echo.wasm"
)
try
