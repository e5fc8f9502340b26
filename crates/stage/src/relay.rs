//! A mail relay that answers by a script: for the faults and lies that an honest one does not play.

use crate::{Doing, StageError};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// What is answered to a line; nothing is what an honest relay says.
type Script = dyn Fn(&str) -> Option<String> + Send + Sync;

/// A relay on 127.0.0.1, in clear. It lives as long as the process.
pub struct Relay {
    /// Where it listens.
    pub port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

impl Relay {
    /// Starts a relay. The script is asked what to answer to each line (to a new connection the line is `hello`, to a whole
    /// letter `.`); its answer goes out as it is, and after one that begins with `421` the connection ends.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(
        script: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, StageError> {
        let listener = TcpListener::bind("127.0.0.1:0").doing("finding a port")?;
        let port = listener.local_addr().doing("finding a port")?.port();
        let relay = Self { port, heard: Arc::default(), connections: Arc::default() };
        let (heard, connections) = (relay.heard.clone(), relay.connections.clone());
        let script: Arc<Script> = Arc::new(script);
        std::thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                *connections.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                let (script, heard) = (script.clone(), heard.clone());
                // Whoever leaves in the middle of a sentence has left.
                std::thread::spawn(move || drop(converse(&tcp, &*script, &heard)));
            }
        });
        Ok(relay)
    }

    /// Every line that it was sent, letters included.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often it was connected to.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn converse(tcp: &TcpStream, script: &Script, heard: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(tcp);
    let mut writer = tcp;
    let mut is_letter = false;
    let mut line = "hello".to_owned();
    loop {
        let answer = if is_letter && line != "." {
            String::new()
        } else {
            is_letter = false;
            script(&line).unwrap_or_else(|| honest(&line).to_owned())
        };
        writer.write_all(answer.as_bytes())?;
        if answer.starts_with("421") {
            return Ok(());
        }
        is_letter = is_letter || answer.starts_with("354");
        let mut bytes = Vec::new();
        if reader.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(());
        }
        line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
    }
}

fn honest(line: &str) -> &'static str {
    match line.split(' ').next().unwrap_or_default() {
        "hello" => "220 relay.example\r\n",
        "EHLO" => "250-relay.example\r\n250 8BITMIME\r\n",
        "DATA" => "354 go on\r\n",
        "QUIT" => "421 bye\r\n",
        _ => "250 ok\r\n",
    }
}
