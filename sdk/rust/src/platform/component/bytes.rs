use crate::contract::generated::{cyrus::executor::process::ProcessError, wit_stream};
use futures::{
    StreamExt,
    future::LocalBoxFuture,
    stream::{LocalBoxStream, unfold},
};
use std::task::{Context, Poll};
use wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// Tells, at the end of a stream, whether it was the end or a failure.
pub(super) type Ending = LocalBoxFuture<'static, Result<(), String>>;

/// Bytes from the host. A read that was begun lives in here and not in a caller's future, so that dropping that
/// future loses nothing.
pub(crate) struct ByteStream(LocalBoxStream<'static, Result<Vec<u8>, String>>);

impl ByteStream {
    /// A stream that cannot fail.
    pub(super) fn new(reader: StreamReader<u8>) -> Self {
        Self::judged_by(reader, Box::pin(async { Ok(()) }))
    }

    /// A stream whose end is judged by `ending`.
    pub(super) fn judged_by(reader: StreamReader<u8>, ending: Ending) -> Self {
        let chunks = unfold(Some((reader, ending)), async |state| {
            let (mut reader, ending) = state?;
            let (result, chunk) = reader.read(Vec::with_capacity(CHUNK)).await;
            if !chunk.is_empty() || result != StreamResult::Dropped {
                return Some((Ok(chunk), Some((reader, ending))));
            }
            drop(reader);
            ending.await.err().map(|error| (Err(error), None))
        });
        Self(chunks.boxed_local())
    }

    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Vec<u8>, String>>> {
        self.0.poll_next_unpin(cx)
    }
}

/// Bytes to the host.
pub(crate) struct ByteSink {
    writer: StreamWriter<u8>,
    // The host's answer is not waited for: `write` learns the same. Dropping it would call the writing off.
    _done: Option<FutureReader<Result<(), ProcessError>>>,
}

impl ByteSink {
    pub(super) fn pair() -> (Self, StreamReader<u8>) {
        let (writer, reader) = wit_stream::new();
        (Self { writer, _done: None }, reader)
    }

    pub(super) fn until(self, done: FutureReader<Result<(), ProcessError>>) -> Self {
        Self { _done: Some(done), ..self }
    }

    /// Writes all of it. False: nobody reads any more.
    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> bool {
        self.writer.write_all(bytes).await.is_empty()
    }
}
