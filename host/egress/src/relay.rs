//! Bytes between a program and a host, counted and timed.

use crate::{Limits, Verdict};
use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{Duration, Instant, sleep_until},
};

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// How many bytes went each way.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
}

/// Why bytes stopped.
enum Stopped {
    AtLimit,
    Broken,
}

impl From<io::Error> for Stopped {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// Which bytes are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Both,
    /// The program has said all that it may say.
    FromHost,
}

/// Carries bytes until both sides have ended, or a limit is reached. `counted` holds what was carried, also when this
/// is dropped.
pub(crate) async fn relay(
    direction: Direction,
    mut program: TcpStream,
    mut host: TcpStream,
    limits: &Limits,
    begun: Instant,
    counted: &Counted,
) -> Verdict {
    let last = AtomicU64::new(0);
    let touch = || last.store(millis(begun.elapsed()), Ordering::Relaxed);
    touch();
    let (mut from_program, mut to_program) = program.split();
    let (mut from_host, mut to_host) = host.split();
    let sent = async {
        match direction {
            Direction::FromHost => Ok(()),
            Direction::Both => {
                pump(&mut from_program, &mut to_host, limits.sent, &counted.sent, &touch).await
            }
        }
    };
    let received =
        pump(&mut from_host, &mut to_program, limits.received, &counted.received, &touch);
    let both = async { tokio::try_join!(sent, received) };
    let silence = async {
        loop {
            let until = begun + Duration::from_millis(last.load(Ordering::Relaxed)) + limits.idle;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    };
    tokio::select! {
        ended = both => match ended {
            // A side that hangs up is no failure of the proxy's.
            Ok(_) | Err(Stopped::Broken) => Verdict::Connected,
            Err(Stopped::AtLimit) => Verdict::Cut("it carried too many bytes"),
        },
        () = silence => Verdict::Cut("it carried nothing for too long"),
        () = sleep_until(begun + limits.total) => Verdict::Cut("it lasted too long"),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    most: u64,
    count: &AtomicU64,
    touch: &impl Fn(),
) -> Result<(), Stopped> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        touch();
        let all = count.fetch_add(read as u64, Ordering::Relaxed) + read as u64;
        if all > most {
            return Err(Stopped::AtLimit);
        }
        to.write_all(&piece[..read]).await?;
        touch();
    }
}
