//! The contract, as wit-bindgen sees it. Generated.
#![allow(warnings, clippy::pedantic, unsafe_code, reason = "generated from wit/")]

wit_bindgen::generate!({
    path: ["../../../wit", "../../../sdk/rust/wit"],
    world: "cyrus:sdk/plugin",
    generate_all,
});

use super::guest::Hostile;

export!(Hostile);
