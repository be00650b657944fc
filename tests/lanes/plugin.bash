# What the lanes of the plugin languages share. To be sourced at the root of the repository.
repository=$PWD

fail() { echo "lanes: $*" >&2; exit 1; }

# prepare NAME DIRECTORY: makes the directory that the plugin goes into, as an operator would.
prepare() {
  example=$repository/sdk/examples/$1
  plugin=$2
  rm -rf "$plugin" && mkdir -p "$plugin"
  cp "$example/plugin.toml" "$plugin/"
}
