// SPDX-License-Identifier: EUPL-1.2
//! A far side to call: answers as told and remembers what it got.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One call as it arrived.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

/// What the server answers: status, headers, body.
pub type Reply = (u16, Vec<(&'static str, String)>, Vec<u8>);

pub struct Server {
    pub address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
}

#[derive(Clone)]
struct Told {
    calls: Arc<Mutex<Vec<Call>>>,
    reply: Arc<dyn Fn(&Call) -> Reply + Send + Sync>,
}

impl Server {
    pub async fn start(reply: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let told = Told { calls: Arc::clone(&calls), reply: Arc::new(reply) };
        let app = Router::new().fallback(answer).with_state(told);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, calls }
    }

    pub fn url(&self) -> String {
        format!("http://{}/eingang", self.address)
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn answer(
    State(told): State<Told>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let call = Call { method, path: uri.path().to_owned(), headers, body };
    let (status, headers, body) = (told.reply)(&call);
    told.calls.lock().unwrap().push(call);
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}

/// What a rude server does after it has read the whole request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rude {
    /// Says nothing and keeps the line.
    Hangs,
    /// Closes without an answer.
    Cuts,
    /// Answers 200 and breaks off in the middle of the body.
    CutsBody,
    /// Answers 200 and never ends the body.
    EndlessBody,
    /// Answers 200 and never begins the body.
    HangsInBody,
    /// Says what is no HTTP.
    Babbles,
}

/// A server below HTTP, so that it can break the rules.
pub async fn rude(kind: Rude) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_rudely(stream, kind));
        }
    });
    address
}

async fn serve_rudely(mut stream: TcpStream, kind: Rude) -> std::io::Result<()> {
    read_request(&mut stream).await?;
    match kind {
        Rude::Hangs => std::future::pending().await,
        Rude::Cuts => Ok(()),
        Rude::CutsBody => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\"").await,
        Rude::HangsInBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n").await?;
            std::future::pending().await
        }
        Rude::EndlessBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").await?;
            loop {
                stream.write_all(&[b'x'; 16 * 1024]).await?;
            }
        }
        Rude::Babbles => stream.write_all(b"220 mail.example ESMTP\r\n").await,
    }
}

/// Reads head and body of one request.
pub async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    loop {
        let mut piece = [0; 16 * 1024];
        let n = stream.read(&mut piece).await?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        octets.extend_from_slice(&piece[..n]);
        let Some(end) = octets.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&octets[..end]).to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length:"))
            .map_or(0, |l| l.trim().parse().unwrap());
        if octets.len() >= end + 4 + length {
            return Ok(octets);
        }
    }
}
