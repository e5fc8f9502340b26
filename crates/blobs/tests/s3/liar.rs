//! A store that answers what a test tells it to, over bare sockets on loopback: too late, wrong, or without an end.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use blobs::{S3, S3Options};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::store::{BUCKET, keys};

/// What is said, octet by octet, and what comes then.
#[derive(Clone)]
pub(crate) struct Answer {
    text: String,
    then: Then,
    is_early: bool,
}

#[derive(Clone)]
enum Then {
    /// The next question.
    Listen,
    /// Nothing, over an open connection.
    Silence,
    /// The end of the connection.
    End,
    /// This, again and again.
    Forever(String),
}

impl Answer {
    /// These octets.
    pub(crate) fn raw(text: impl Into<String>) -> Self {
        Self { text: text.into(), then: Then::Listen, is_early: false }
    }

    /// An answer in good form. Each header ends with its line.
    pub(crate) fn of(status: &str, headers: &str, body: &str) -> Self {
        let len = body.len();
        Self::raw(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {len}\r\n\r\n{body}"))
    }

    pub(crate) fn then_silence(self) -> Self {
        Self { then: Then::Silence, ..self }
    }

    pub(crate) fn then_end(self) -> Self {
        Self { then: Then::End, ..self }
    }

    pub(crate) fn then_forever(self, piece: impl Into<String>) -> Self {
        Self { then: Then::Forever(piece.into()), ..self }
    }

    /// Said as soon as the head of the question is there.
    pub(crate) fn before_the_body(self) -> Self {
        Self { is_early: true, ..self }
    }
}

/// The answer to a method and a target.
type Script = Box<dyn Fn(&str, &str) -> Answer + Send + Sync>;

struct Held {
    script: Script,
    /// Methods and bodies of all questions.
    asked: Mutex<Vec<(String, Vec<u8>)>>,
    /// Octets that were said without an end.
    endless: AtomicUsize,
}

pub(crate) struct Liar {
    address: SocketAddr,
    held: Arc<Held>,
}

impl Liar {
    pub(crate) async fn start(script: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let held = Held { script: Box::new(script), asked: Mutex::default(), endless: AtomicUsize::new(0) };
        let held = Arc::new(held);
        tokio::spawn(serve(listener, held.clone()));
        Self { address, held }
    }

    /// One answer to every question.
    pub(crate) async fn always(answer: Answer) -> Self {
        Self::start(move |_, _| answer.clone()).await
    }

    pub(crate) fn options(&self) -> S3Options {
        S3Options::new(format!("http://{}", self.address), "us-east-1", BUCKET)
    }

    pub(crate) fn open(&self) -> S3 {
        S3::new(&self.options(), keys()).unwrap()
    }

    /// With little patience.
    pub(crate) fn open_hasty(&self) -> S3 {
        hasty(self.options())
    }

    /// How many questions of a method came to their end.
    pub(crate) fn asked(&self, method: &str) -> usize {
        self.held.asked.lock().unwrap().iter().filter(|(asked, _)| asked == method).count()
    }

    /// The body of the last question of a method.
    pub(crate) fn last_body(&self, method: &str) -> String {
        let asked = self.held.asked.lock().unwrap();
        let (_, body) = asked.iter().rfind(|(asked, _)| asked == method).unwrap();
        String::from_utf8(body.clone()).unwrap()
    }

    /// Octets of an answer without an end that were taken from it, by the other side or by the system in between.
    pub(crate) fn endless(&self) -> usize {
        self.held.endless.load(Ordering::Relaxed)
    }
}

/// A driver that gives up quickly.
pub(crate) fn hasty(mut options: S3Options) -> S3 {
    options.silence = Duration::from_millis(100);
    options.chunk_time = options.silence;
    S3::new(&options, keys()).unwrap()
}

async fn serve(listener: TcpListener, held: Arc<Held>) {
    // Ends with this task, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let held = held.clone();
        connections.spawn(async move {
            let mut socket = BufReader::new(socket);
            while exchange(&mut socket, &held).await.unwrap_or(false) {}
        });
    }
}

/// One question and its answer; whether another one may follow.
async fn exchange(socket: &mut BufReader<TcpStream>, held: &Held) -> io::Result<bool> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if socket.read_line(&mut head).await? == 0 {
            return Ok(false);
        }
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let answer = (held.script)(method, target);
    if answer.is_early {
        socket.write_all(answer.text.as_bytes()).await?;
    }
    let mut body = vec![0; body_len(&head)];
    socket.read_exact(&mut body).await?;
    held.asked.lock().unwrap().push((method.to_owned(), body));
    if !answer.is_early {
        socket.write_all(answer.text.as_bytes()).await?;
    }
    match answer.then {
        Then::Listen => Ok(true),
        Then::End => Ok(false),
        Then::Silence => std::future::pending().await,
        Then::Forever(piece) => loop {
            socket.write_all(piece.as_bytes()).await?;
            held.endless.fetch_add(piece.len(), Ordering::Relaxed);
        },
    }
}

/// As the head says it; the driver sends no body without its length.
fn body_len(head: &str) -> usize {
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    let len = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    len.map_or(0, |(_, len)| len.parse().unwrap())
}
