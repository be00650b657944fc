//! Builds the components that only tests need, and tells the tests where they are.

use std::process::ExitCode;

/// The package of each component, and the variable that tests find it by.
const GUESTS: [(&str, &str); 5] = [
    ("cyrus-guest-hostile", "CYRUS_GUEST_HOSTILE"),
    ("cyrus-guest-probe", "CYRUS_GUEST_PROBE"),
    ("cyrus-guest-measured", "CYRUS_GUEST_MEASURED"),
    ("cyrus-example-acp", "CYRUS_EXAMPLE_ACP"),
    ("cyrus-example-openai", "CYRUS_EXAMPLE_OPENAI"),
];

fn main() -> ExitCode {
    let packages = GUESTS.map(|(package, _)| package);
    match cyrus_plugin_build::build_components(&packages) {
        Ok(components) => {
            for (component, (_, variable)) in components.iter().zip(GUESTS) {
                println!("cargo::rustc-env={variable}={}", component.path.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
