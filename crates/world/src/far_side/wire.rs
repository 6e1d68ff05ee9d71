// SPDX-License-Identifier: EUPL-1.2
//! A connection that can be cut, doubled or spoiled from within a session.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

const FINE: u8 = 0;
const CUT: u8 = 1;
const TWICE: u8 = 2;
const GARBAGE: u8 = 3;

/// What happens to the octets of a connection from now on.
#[derive(Debug, Clone, Default)]
pub(super) struct Switch(Arc<AtomicU8>);

impl Switch {
    /// Nothing more is said; the connection closes.
    pub(super) fn cut(&self) {
        self.0.store(CUT, Ordering::SeqCst);
    }

    /// The next answer is said twice.
    pub(super) fn twice(&self) {
        self.0.store(TWICE, Ordering::SeqCst);
    }

    /// The next answer is no SMTP.
    pub(super) fn garbage(&self) {
        self.0.store(GARBAGE, Ordering::SeqCst);
    }
}

/// A TCP connection under a [`Switch`].
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    pub(super) switch: Switch,
    /// To be said once more.
    pub(super) again: Vec<u8>,
}

fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.switch.0.load(Ordering::SeqCst) == CUT {
            return gone();
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.switch.0.load(Ordering::SeqCst) {
            CUT => gone(),
            GARBAGE => {
                self.switch.0.store(FINE, Ordering::SeqCst);
                self.again = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
                Poll::Ready(Ok(buf.len()))
            }
            state => {
                let n = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
                if state == TWICE && n == buf.len() {
                    self.switch.0.store(FINE, Ordering::SeqCst);
                    self.again = buf.to_vec();
                }
                Poll::Ready(Ok(n))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.again.is_empty() {
            let again = std::mem::take(&mut self.again);
            match Pin::new(&mut self.stream).poll_write(cx, &again) {
                Poll::Ready(Ok(n)) => self.again = again.get(n..).unwrap_or_default().to_vec(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.again = again;
                    return Poll::Pending;
                }
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
