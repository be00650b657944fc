//! What one call costs: into a component, and to the host about it.
//!
//! `cargo bench -p cyrus-tests --bench calls`. Everything runs on one thread, so that no figure has another
//! thread's waking up in it.

mod common;

use common::{
    native::Native,
    ours::Ours,
    raw::{Call, Raw},
    request,
};
use cyrus_executor::{TaskExecutor, Unattended};
use divan::{Bencher, counter::ItemsCount};
use std::{net::TcpListener, sync::Arc};
use tokio::runtime::{Builder, Runtime};

/// Calls in one sample, where one instance is called again and again.
const CALLS: usize = 10_000;

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a scheduler")
}

/// `describe`, each time on an instance of its own: nothing of one call is left for the next.
#[divan::bench_group(sample_count = 5, sample_size = 2000)]
mod describe {
    use super::{Bencher, Native, Ours, Raw, TaskExecutor, runtime};

    #[divan::bench]
    fn our_host(bencher: Bencher<'_, '_>) {
        let runtime = runtime();
        let ours = runtime.block_on(Ours::new(None));
        bencher.bench_local(|| runtime.block_on(ours.executor.describe()).expect("itself"));
    }

    #[divan::bench]
    fn wasmtime_alone(bencher: Bencher<'_, '_>) {
        let (runtime, raw) = (runtime(), Raw::new().expect("wasmtime"));
        bencher.bench_local(|| runtime.block_on(raw.describe()).expect("itself"));
    }

    #[divan::bench]
    fn native(bencher: Bencher<'_, '_>) {
        let (runtime, native) = (runtime(), Native::new());
        bencher.bench_local(|| runtime.block_on(native.describe()).expect("itself"));
    }
}

/// Calls of one instance that is there already: the border between host and component, and no more.
#[divan::bench_group(sample_count = 5, sample_size = 1)]
mod one_instance {
    use super::{Bencher, CALLS, Call, ItemsCount, Raw, runtime};

    #[divan::bench(args = [Call::Describe, Call::IsRunning])]
    fn wasmtime_alone(bencher: Bencher<'_, '_>, call: Call) {
        let (runtime, raw) = (runtime(), Raw::new().expect("wasmtime"));
        let calls = || runtime.block_on(raw.call(CALLS, call)).expect("they are answered");
        bencher.counter(ItemsCount::new(CALLS)).bench_local(calls);
    }
}

/// Whether an execution is under way, while it is: answered by the host, without the component.
#[divan::bench_group(sample_count = 5, sample_size = 100_000)]
mod is_running {
    use super::{Arc, Bencher, Ours, TaskExecutor, TcpListener, Unattended, request, runtime};

    #[divan::bench]
    fn our_host(bencher: Bencher<'_, '_>) {
        let runtime = runtime();
        // It accepts nothing and answers nothing.
        let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = silent.local_addr().expect("an address").port();
        let begin = async {
            let ours = Ours::new(Some(port)).await;
            let request = request(&format!("get http://127.0.0.1:{port}/never"));
            let execution = ours.executor.execute_streaming(request, Arc::new(Unattended)).await;
            (ours, execution.expect("it begins"))
        };
        let (_ours, execution) = runtime.block_on(begin);
        bencher.bench_local(|| assert!(execution.handle.is_running()));
    }
}
