//! A scripted HTTP server for tests, which can also send invalid responses.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test uses a part

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A request of a client.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method and path with query, such as `POST /v1/images/generations`.
    pub line: String,
    /// The headers, one per line, with names in lower case.
    pub headers: String,
    pub body: Vec<u8>,
}

impl Request {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The reaction of the server.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A response with a status, additional header lines and a body.
    Full(u16, &'static str, Vec<u8>),
    /// Sends these bytes and closes the connection.
    Raw(Vec<u8>),
    /// Sends an endless body.
    Endless,
    /// Never responds.
    Hang,
}

/// A JSON response.
pub fn json(status: u16, body: &serde_json::Value) -> Reply {
    Reply::Full(status, "", body.to_string().into_bytes())
}

/// A text response.
pub fn text(status: u16, body: &str) -> Reply {
    Reply::Full(status, "", body.into())
}

/// The server; it stops with the test's runtime.
#[derive(Debug)]
pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    /// The numbers of received requests and closed connections.
    counts: watch::Receiver<(usize, usize)>,
}

impl Server {
    /// Starts a server that replies with `answer` of the request's number, from 0, and the request.
    pub async fn start(answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (sender, counts) = watch::channel((0, 0));
        let (log, answer) = (Arc::clone(&requests), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, answer, sender) = (Arc::clone(&log), Arc::clone(&answer), sender.clone());
                tokio::spawn(async move {
                    if let Some(request) = read(&mut stream).await {
                        let number = {
                            let mut log = log.lock().unwrap();
                            log.push(request.clone());
                            log.len() - 1
                        };
                        sender.send_modify(|counts| counts.0 += 1);
                        write(&mut stream, answer(number, &request)).await;
                    }
                    sender.send_modify(|counts| counts.1 += 1);
                });
            }
        });
        Self { url, requests, counts }
    }

    /// Starts a server that always sends the same reply.
    pub async fn always(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone()).await
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits for this number of requests.
    pub async fn received(&self, times: usize) {
        self.counts.clone().wait_for(|counts| counts.0 >= times).await.unwrap();
    }

    /// Waits for this number of closed connections.
    pub async fn closed(&self, times: usize) {
        self.counts.clone().wait_for(|counts| counts.1 >= times).await.unwrap();
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let (line, headers) = head.split_once("\r\n")?;
    let headers: String = headers
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| format!("{}: {value}\n", name.to_lowercase()))
        .collect();
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = bytes.split_off(end + 4);
    while body.len() < length.parse::<usize>().ok()? {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request { line: line.rsplit_once(' ')?.0.to_owned(), headers, body })
}

async fn write(stream: &mut TcpStream, reply: Reply) {
    // Errors mean that the client has disconnected.
    match reply {
        Reply::Full(status, headers, body) => {
            let head =
                format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&body).await;
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Reply::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"data\":[{\"b64_json\":\"").await;
            while stream.write_all(&[b'A'; 65536]).await.is_ok() {}
        }
        Reply::Hang => while stream.read(&mut [0; 16]).await.is_ok_and(|count| count > 0) {},
    }
    let _ = stream.shutdown().await;
}
