#!/usr/bin/env bash
# rust_plugin.sh DIRECTORY: tests and builds the Rust example outside of this repository, with nothing of it but the SDK
# and the contract.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/lanes/plugin.bash

prepare rust-echo "$1"
outside=$(mktemp -d)
trap 'rm -rf "$outside"' EXIT
mkdir -p "$outside/sdk"
# The SDK is read from a copy of its own: a path into the repository would let the build see the rest of it.
cp -r sdk/rust "$outside/sdk/rust" && cp -r wit "$outside/wit"
cp Cargo.toml "$outside/Cargo.toml" && sed -i 's/^members = .*/members = ["sdk\/rust"]/; /^default-members/d' "$outside/Cargo.toml"
cp -r "$example" "$outside/plugin"
sed -i 's#path = "../../rust"#path = "../sdk/rust"#' "$outside/plugin/Cargo.toml"
cd "$outside/plugin"
export CARGO_TARGET_DIR=$repository/target/lanes/rust-plugin
cargo test --quiet
cargo build --quiet --release --target wasm32-wasip2
cp "$CARGO_TARGET_DIR/wasm32-wasip2/release/rust_echo.wasm" "$plugin/rust-echo.wasm"
