// SPDX-License-Identifier: EUPL-1.2
//! A scanner for the demo that speaks clamd's protocol and knows one thing: the EICAR test file.
//!
//! Guarantees: answers `zPING`, `zVERSION` and `zINSTREAM` (clamd(8)) on a port of loopback; finds the test string
//! anywhere in a content, also across chunks; says by its version that it is no real scanner. Does not: find malware.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What it says it is.
pub const VERSION: &str = "Demo-Virenscanner (nur EICAR)";
/// What it calls the test file.
pub const SIGNATURE: &str = "Eicar-Test-Signature";
/// Octets of one content; more is refused as clamd does.
const STREAM_MAX: usize = 100 * 1024 * 1024;
const PIECE: usize = 64 * 1024;

/// The EICAR test file. It stands here in pieces, so that no scanner takes the program away.
#[must_use]
pub fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$", "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!", "$H+H*"].concat().into_bytes()
}

/// A running scanner; ends when dropped.
pub struct Mimic {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Mimic {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // Sessions end with the one who drops this.
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while sessions.try_join_next().is_some() {}
                sessions.spawn(async move {
                    if let Err(error) = serve(stream).await {
                        tracing::debug!(%error, "a client of the demo scanner is gone");
                    }
                });
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Mimic {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut command = Vec::new();
    while !command.ends_with(&[0]) && command.len() < 64 {
        command.push(stream.read_u8().await?);
    }
    let answer = match command.as_slice() {
        b"zPING\0" => "PONG".to_owned(),
        b"zVERSION\0" => VERSION.to_owned(),
        b"zINSTREAM\0" => scan(&mut stream).await?,
        _ => "UNKNOWN COMMAND".to_owned(),
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.write_all(&[0]).await
}

async fn scan(stream: &mut TcpStream) -> io::Result<String> {
    let eicar = eicar();
    let mut window: Vec<u8> = Vec::new();
    let mut piece = vec![0; PIECE];
    let (mut total, mut found) = (0usize, false);
    loop {
        let mut left = usize::try_from(stream.read_u32().await?).map_err(io::Error::other)?;
        if left == 0 {
            return Ok(if found { format!("stream: {SIGNATURE} FOUND") } else { "stream: OK".to_owned() });
        }
        total = total.saturating_add(left);
        if total > STREAM_MAX {
            return Ok("INSTREAM size limit exceeded. ERROR".to_owned());
        }
        while left > 0 {
            let room = piece.get_mut(..left.min(PIECE)).unwrap_or_default();
            let n = stream.read(room).await?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left -= n;
            // The end of what was before and what came: the string may lie across both.
            window.extend_from_slice(piece.get(..n).unwrap_or_default());
            found = found || window.windows(eicar.len()).any(|w| w == eicar);
            window.drain(..window.len().saturating_sub(eicar.len() - 1));
        }
    }
}
