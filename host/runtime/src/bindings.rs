//! The contract, as wasmtime sees it. Generated.
wasmtime::component::bindgen!({
    path: "../../wit",
    world: "cyrus:executor/executor-plugin",
    imports: {
        "cyrus:executor/context.[method]execution-context.checkpoint": store | trappable,
        "cyrus:executor/context.[method]execution-context.spend": store | trappable,
        "cyrus:executor/context.[method]execution-context.ask": store | trappable,
        "cyrus:executor/process.[method]child.write-stdin": store | trappable,
        "cyrus:executor/process.[method]child.stdout": store | trappable,
        "cyrus:executor/process.[method]child.stderr": store | trappable,
        "cyrus:executor/process.[method]child.wait": store | trappable,
        "cyrus:executor/process.spawn": async | trappable,
        default: trappable,
    },
    exports: { default: async | store },
    with: {
        "cyrus:executor/context.execution-context": crate::cap::context::Context,
        "cyrus:executor/process.child": crate::cap::process::Child,
    },
    require_store_data_send: true,
});

pub(crate) use cyrus::executor::{context, log, process, types};
