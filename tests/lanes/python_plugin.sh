#!/usr/bin/env bash
# python_plugin.sh DIRECTORY: tests and builds the Python example with componentize-py alone. `install` has to have run.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/lanes/plugin.bash

tool=$PWD/target/lanes/python-plugin/bin/componentize-py
[ -x "$tool" ] || fail "componentize-py is not there: run tests/lanes/install"
prepare python-echo "$1"
cd "$example"
export PYTHONDONTWRITEBYTECODE=1
"$(dirname "$tool")/python" -m unittest --quiet
"$tool" -d ../../../wit -d ../../rust/wit/deps/clocks.wit -d wit -w example:python-echo/plugin \
  --import-interface-name cyrus:executor/types@0.1.0=contract componentize app -o "$plugin/python-echo.wasm"
