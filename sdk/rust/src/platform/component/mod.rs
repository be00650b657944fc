mod bytes;
mod execution;
mod http;

use crate::{
    contract::{
        Exit, Level, Signal,
        generated::{
            cyrus::executor::{log, process},
            wasi::clocks::{monotonic_clock, system_clock},
        },
    },
    platform::Sent,
};
use std::{
    future::Future,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub(crate) use bytes::{ByteSink, ByteStream};
pub(crate) use execution::Execution;

type Contract<T> = Result<T, process::ProcessError>;

/// The contract's imports.
#[derive(Clone, Copy)]
pub(crate) struct Platform;

#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::unused_self,
    reason = "the scripted platform, which has the same functions, has something in it"
)]
impl Platform {
    pub(crate) fn monotonic(&self) -> Duration {
        Duration::from_nanos(monotonic_clock::now())
    }

    pub(crate) fn wall(&self) -> SystemTime {
        let instant = system_clock::now();
        let since = u64::try_from(instant.seconds).unwrap_or_default();
        UNIX_EPOCH + Duration::new(since, instant.nanoseconds)
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        monotonic_clock::wait_for(nanoseconds).await;
    }

    pub(crate) async fn send(&self, request: crate::http::Request) -> Sent {
        http::send(request).await
    }

    pub(crate) fn spawn(&self, grant: &str, args: &[String]) -> Contract<Child> {
        process::spawn(grant, args).map(Child)
    }

    pub(crate) fn spawn_local(&self, task: impl Future<Output = ()> + 'static) {
        wit_bindgen::spawn_local(task);
    }

    pub(crate) fn log(&self, level: Level, message: &str) {
        log::log(level, message);
    }
}

/// A launched program.
pub(crate) struct Child(process::Child);

impl Child {
    #[expect(clippy::unnecessary_wraps, reason = "the scripted one may be taken once")]
    pub(crate) fn stdin(&self) -> Contract<ByteSink> {
        let (sink, stream) = ByteSink::pair();
        Ok(sink.until(self.0.write_stdin(stream)))
    }

    pub(crate) fn stdout(&self) -> Contract<ByteStream> {
        self.0.stdout().map(ByteStream::new)
    }

    pub(crate) fn stderr(&self) -> Contract<ByteStream> {
        self.0.stderr().map(ByteStream::new)
    }

    pub(crate) async fn wait(&self) -> Contract<Exit> {
        self.0.wait().await
    }

    pub(crate) fn signal(&self, signal: Signal) -> Contract<()> {
        self.0.signal(signal)
    }
}
