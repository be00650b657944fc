# What the lanes of the plugin languages share. To be sourced at the root of the repository.
repository=$PWD

fail() { echo "lanes: $*" >&2; exit 1; }

# prepare NAME: the folder that the plugin goes into, as an operator would make it.
prepare() {
  example=$repository/sdk/examples/$1
  plugin=$repository/target/lanes/plugins/$1
  rm -rf "$plugin" && mkdir -p "$plugin"
  cp "$example/plugin.toml" "$plugin/"
}

# try: runs the tests that any echo plugin has to pass, against the one that was built. One after the other: the first
# compiles the component, and the others find it in the cache.
try() {
  CYRUS_ECHO_PLUGIN=$plugin cargo test --package cyrus-tests --test languages -- --include-ignored --test-threads 1
}
