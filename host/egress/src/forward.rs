//! A port of this machine's own loopback interface, for programs that have a loopback interface of their own.

use crate::{Limits, proxy::Serving};
use std::{net::Ipv4Addr, sync::Arc};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

/// Serves a listener with what listens on this port of 127.0.0.1 here. For ports that the operator named. Has to be
/// called within a Tokio runtime.
pub fn forward(listener: TcpListener, port: u16, limits: &Limits) -> Serving {
    let address = listener.local_addr();
    let slots = Arc::new(Semaphore::new(limits.connections));
    let serving = async move {
        let mut connections = JoinSet::new();
        while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
            while connections.try_join_next().is_some() {}
            let Ok((mut program, _)) = listener.accept().await else {
                tokio::time::sleep(crate::proxy::PAUSE).await;
                continue;
            };
            connections.spawn(async move {
                match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                    Ok(mut service) => {
                        // Either side may end it as it likes.
                        let _ = copy_bidirectional(&mut program, &mut service).await;
                    }
                    Err(error) => tracing::debug!(%error, port, "nothing serves a granted port"),
                }
                drop(slot);
            });
        }
    };
    Serving::new(address, tokio::spawn(serving).abort_handle())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_port_is_reached_through_another_until_serving_ends() {
        let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = service.local_addr().unwrap().port();
        let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = inside.local_addr().unwrap();
        let serving = forward(inside, port, &Limits::default());
        let mut program = TcpStream::connect(to).await.unwrap();
        program.write_all(b"?").await.unwrap();
        let (mut served, _) = service.accept().await.unwrap();
        assert_eq!(served.read_u8().await.unwrap(), b'?');
        drop(serving);
        assert_eq!(program.read(&mut [0]).await.unwrap(), 0);
    }
}
