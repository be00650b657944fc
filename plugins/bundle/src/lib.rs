//! The first-party plugins, built with the binary and carried in it. An operator's plugin of the same name wins over
//! them.

/// A plugin in the binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundledPlugin {
    /// Its name, as in its manifest.
    pub name: &'static str,
    /// `plugin.toml`: what it is and asks for.
    pub manifest: &'static str,
    /// `grants.json`: the executor of its name as the default configuration has it, in JSON: plugin, settings and
    /// grants.
    pub grants: &'static str,
    /// The component.
    pub component: &'static [u8],
}

/// All of them, by name.
pub fn bundled() -> &'static [BundledPlugin] {
    include!(concat!(env!("OUT_DIR"), "/bundled.rs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_is_a_component_under_its_own_name() {
        let names: Vec<_> = bundled().iter().map(|plugin| plugin.name).collect();
        assert_eq!(names, ["claude", "codegen"]);
        for BundledPlugin { name, manifest, grants, component } in bundled() {
            assert!(manifest.contains(&format!("\nname = {name:?}\n")), "{name}: {manifest}");
            assert!(
                manifest.contains(&format!("\ncomponent = \"{name}.wasm\"\n")),
                "{name}: {manifest}"
            );
            assert!(grants.contains(&format!("\"plugin\": {name:?}")), "{name}: {grants}");
            // A component, not a module: version 13, layer 1.
            assert_eq!(component[..8], *b"\0asm\x0d\x00\x01\x00", "{name}");
        }
    }
}
