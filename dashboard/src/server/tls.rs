//! Handshakes. One costs CPU in one or two steps; each step takes a turn, of which there are few,
//! and lets every ready connection go first. A client that sends nothing holds no turn.

use std::io;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::TlsSource;

/// Handshake steps that may wait for a CPU at once, for each.
const TURNS_PER_CPU: usize = 2;

/// What handshakes need.
pub(super) struct Handshakes {
    certificates: TlsSource,
    limit: Duration,
    turns: Semaphore,
}

impl Handshakes {
    pub fn new(certificates: TlsSource, limit: Duration) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Self { certificates, limit, turns: Semaphore::new(cpus * TURNS_PER_CPU) }
    }

    /// Does one.
    ///
    /// # Errors
    /// What went wrong; too slow is [`io::ErrorKind::TimedOut`].
    pub async fn shake(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        timeout(self.limit, self.steps(tcp)).await.map_err(late)?
    }

    async fn steps(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        // Nothing is kept for a client that says nothing.
        tcp.readable().await?;
        let acceptor = TlsAcceptor::from((self.certificates)());
        let mut accept = Box::pin(acceptor.accept(tcp));
        loop {
            let turn = self.turns.acquire().await.map_err(io::Error::other)?;
            tokio::task::yield_now().await;
            let step = std::future::poll_fn(|cx| Poll::Ready(accept.as_mut().poll(cx))).await;
            drop(turn);
            if let Poll::Ready(stream) = step {
                return stream;
            }
            woken().await;
        }
    }
}

/// Waits until something wakes this task: a waker that a poll before this left somewhere.
async fn woken() {
    let mut slept = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut slept, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
