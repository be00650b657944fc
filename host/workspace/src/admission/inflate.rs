//! Decompresses a zlib stream a piece at a time, and never more of it than was announced.

use miniz_oxide::{
    DataFormat, MZError, MZFlush, MZStatus,
    inflate::stream::{InflateState, inflate},
};
use std::io::{self, BufRead};

/// Why a stream was not read to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// It is no zlib stream, or is cut off.
    NotZlib,
    /// It holds more than was announced.
    Longer,
    /// The file could not be read.
    Io(io::Error),
}

/// The space that streams are decompressed in, one after the other.
pub(super) struct Inflater {
    state: Box<InflateState>,
    piece: Box<[u8]>,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            state: InflateState::new_boxed(DataFormat::Zlib),
            piece: vec![0; 64 << 10].into_boxed_slice(),
        }
    }

    /// Consumes one stream of exactly `announced` bytes; gives the first of them, at most as many as `head` has room for.
    pub(super) fn skip(
        &mut self,
        input: &mut impl BufRead,
        announced: u64,
        head: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        self.run(input, announced, head, false).map(drop)
    }

    /// Reads the beginning of a stream: as much as `head` has room for, or all of it.
    pub(super) fn beginning(
        &mut self,
        input: &mut impl BufRead,
        head: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        self.run(input, u64::MAX, head, true).map(drop)
    }

    fn run(
        &mut self,
        input: &mut impl BufRead,
        announced: u64,
        head: &mut Vec<u8>,
        only_head: bool,
    ) -> Result<u64, Broken> {
        self.state.reset(DataFormat::Zlib);
        let mut written = 0_u64;
        loop {
            let chunk = input.fill_buf().map_err(Broken::Io)?;
            let ended = chunk.is_empty();
            let step = inflate(&mut self.state, chunk, &mut self.piece, MZFlush::None);
            let output = &self.piece[..step.bytes_written];
            input.consume(step.bytes_consumed);
            written += output.len() as u64;
            let room = head.capacity() - head.len();
            head.extend_from_slice(&output[..output.len().min(room)]);
            if written > announced {
                return Err(Broken::Longer);
            }
            if only_head && head.len() == head.capacity() {
                return Ok(written);
            }
            match step.status {
                Ok(MZStatus::StreamEnd) if only_head || written == announced => return Ok(written),
                Ok(MZStatus::Ok) | Err(MZError::Buf) if step.bytes_written > 0 || !ended => {}
                _ => return Err(Broken::NotZlib),
            }
        }
    }
}
