//! The texts of a component's requests, which the handle of a request keeps: bounded, as the number of handles is.

use crate::state::State;
use wasmtime::{
    Result, StoreContextMut,
    component::{Linker, Resource},
};
use wasmtime_wasi_http::{
    WasiHttpView as _, p2::bindings::http::types as p2, p3::bindings::http::types as p3,
};

/// The longest method or scheme, in bytes.
const NAME_BYTES: usize = 64;

/// The longest authority, in bytes.
const AUTHORITY_BYTES: usize = 1024;

/// The longest path with its query, in bytes.
const PATH_BYTES: usize = 16 * 1024;

/// Puts bounded setters in the place of what the linker has. What is too long is refused as what is malformed is.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    linker.allow_shadowing(true);
    let added = of_p2(linker).and_then(|()| of_p3(linker));
    linker.allow_shadowing(false);
    added
}

type Set = Result<(std::result::Result<(), ()>,)>;

fn set<T>(
    mut store: StoreContextMut<'_, State>,
    value: T,
    fits: impl FnOnce(&T) -> bool,
    set: impl FnOnce(
        &mut wasmtime_wasi_http::WasiHttpCtxView<'_>,
        T,
    ) -> Result<std::result::Result<(), ()>>,
) -> Set {
    if !fits(&value) {
        return Ok((Err(()),));
    }
    Ok((set(&mut store.data_mut().http(), value)?,))
}

fn is_short(text: Option<&String>, most: usize) -> bool {
    text.is_none_or(|text| text.len() <= most)
}

macro_rules! setters {
    ($name:ident, $instance:literal, $resource:literal, $types:ident, $host:ident, $request:ty) => {
        fn $name(linker: &mut Linker<State>) -> Result<()> {
            let mut types = linker.instance($instance)?;
            types.func_wrap(
                concat!("[method]", $resource, ".set-method"),
                |store: StoreContextMut<'_, State>,
                 (request, method): (Resource<$request>, $types::Method)| {
                    let fits = |method: &$types::Method| match method {
                        $types::Method::Other(name) => name.len() <= NAME_BYTES,
                        _ => true,
                    };
                    set(store, method, fits, |http, method| {
                        $types::$host::set_method(http, request, method)
                    })
                },
            )?;
            types.func_wrap(
                concat!("[method]", $resource, ".set-scheme"),
                |store: StoreContextMut<'_, State>,
                 (request, scheme): (Resource<$request>, Option<$types::Scheme>)| {
                    let fits = |scheme: &Option<$types::Scheme>| match scheme {
                        Some($types::Scheme::Other(name)) => name.len() <= NAME_BYTES,
                        _ => true,
                    };
                    set(store, scheme, fits, |http, scheme| {
                        $types::$host::set_scheme(http, request, scheme)
                    })
                },
            )?;
            types.func_wrap(
                concat!("[method]", $resource, ".set-authority"),
                |store: StoreContextMut<'_, State>,
                 (request, authority): (Resource<$request>, Option<String>)| {
                    let fits = |text: &Option<String>| is_short(text.as_ref(), AUTHORITY_BYTES);
                    set(store, authority, fits, |http, text| {
                        $types::$host::set_authority(http, request, text)
                    })
                },
            )?;
            types.func_wrap(
                concat!("[method]", $resource, ".set-path-with-query"),
                |store: StoreContextMut<'_, State>,
                 (request, path): (Resource<$request>, Option<String>)| {
                    let fits = |text: &Option<String>| is_short(text.as_ref(), PATH_BYTES);
                    set(store, path, fits, |http, text| {
                        $types::$host::set_path_with_query(http, request, text)
                    })
                },
            )
        }
    };
}

setters!(
    of_p2,
    "wasi:http/types@0.2.12",
    "outgoing-request",
    p2,
    HostOutgoingRequest,
    p2::OutgoingRequest
);
setters!(of_p3, "wasi:http/types@0.3.0", "request", p3, HostRequest, p3::Request);
