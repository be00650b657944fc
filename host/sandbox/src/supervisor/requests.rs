//! What the host says, read from the socket.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::net::RecvFlags;

use crate::descriptors;
use crate::stdio::Theirs;
use crate::wire::{Order, Request};

/// The host's requests, and the bytes of the next one that have come so far.
pub(super) struct Requests {
    socket: UnixStream,
    buffer: Vec<u8>,
    /// How many of those are known to hold no end of line.
    searched: usize,
}

impl Requests {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self { socket, buffer: Vec::new(), searched: 0 }
    }

    pub(super) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Waits for the order, and a socket for listeners that may come with it. None: the host is gone.
    pub(super) fn order(&mut self) -> io::Result<Option<(Order, Theirs, Option<OwnedFd>)>> {
        let mut descriptors = Vec::new();
        let line = loop {
            if let Some(line) = self.line() {
                break line;
            }
            if !self.receive(&mut descriptors)? {
                return Ok(None);
            }
        };
        let order = serde_json::from_slice(&line)?;
        let courier = if descriptors.len() > 3 { descriptors.pop() } else { None };
        let theirs = Theirs::try_from(descriptors)
            .map_err(|_| io::Error::other("an order comes with three descriptors or four"))?;
        Ok(Some((order, theirs, courier)))
    }

    /// Reads what has come, and returns the requests it completes. None: the host is gone.
    pub(super) fn read(&mut self) -> io::Result<Option<Vec<Request>>> {
        let mut chunk = [0; 512];
        let count = match self.socket.read(&mut chunk) {
            Ok(0) => return Ok(None),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(_) => return Ok(None),
        };
        self.buffer.extend_from_slice(&chunk[..count]);
        let mut requests = Vec::new();
        while let Some(line) = self.line() {
            requests.push(serde_json::from_slice(&line)?);
        }
        Ok(Some(requests))
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let fresh = &self.buffer[self.searched..];
        let Some(end) = fresh.iter().position(|&byte| byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + end;
        self.searched = 0;
        Some(self.buffer.drain(..=end).collect())
    }

    /// Receives bytes and descriptors; false at the end.
    fn receive(&mut self, descriptors: &mut Vec<OwnedFd>) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let received = descriptors::receive(&self.socket, &mut chunk, RecvFlags::empty())?;
        descriptors.extend(received.descriptors);
        self.buffer.extend_from_slice(&chunk[..received.bytes]);
        Ok(received.bytes > 0)
    }
}
