//! A Redis that says what it is and then lies about everything.

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What is answered to a script.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lie {
    /// So many hits as nobody ever counted.
    Plenty,
    /// A number in the place of text.
    Number,
    /// Text that is none of ours.
    Garbage,
    /// A list without end.
    Nested,
    /// An error.
    Refusal,
    /// Bytes that are no answer.
    Noise,
    /// The connection's end.
    Farewell,
}

impl Lie {
    pub(super) const ALL: [Self; 7] =
        [Self::Plenty, Self::Number, Self::Garbage, Self::Nested, Self::Refusal, Self::Noise, Self::Farewell];

    fn answer(self) -> Option<String> {
        let text = |text: &str| format!("${}\r\n{text}\r\n", text.len());
        Some(match self {
            Self::Plenty => {
                text("4294967295:9999999999:4294967295:0011223344556677:00112233445566778899aabbccddeeff")
            }
            Self::Number => ":9223372036854775807\r\n".to_owned(),
            Self::Garbage => text("\u{fc}:::::::"),
            Self::Nested => "*1\r\n".repeat(500) + ":1\r\n",
            Self::Refusal => "-OOM \r\n".to_owned(),
            Self::Noise => "\0\0\0\0\r\n".to_owned(),
            Self::Farewell => return None,
        })
    }
}

/// It listens until the test ends.
pub(super) struct Fake {
    pub(super) url: String,
}

impl Fake {
    pub(super) async fn start(lie: Lie) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", tcp.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = tcp.accept().await {
                tokio::spawn(talk(stream, lie));
            }
        });
        Self { url }
    }
}

async fn talk(stream: TcpStream, lie: Lie) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let words = command(&mut stream).await?;
        // It lies to requests, and not to the look at it before they are sent.
        let is_look = words.iter().any(|word| word.ends_with(":PROBE"));
        let info = "role:master\r\nrun_id:0123\r\nmaster_replid:4567\r\nredis_mode:standalone\r\n";
        let answer = match words.first()?.as_str() {
            "INFO" => format!("${}\r\n{info}\r\n", info.len()),
            "EVALSHA" if is_look => ":1\r\n".to_owned(),
            "EVALSHA" | "EVAL" => lie.answer()?,
            _ => "+OK\r\n".to_owned(),
        };
        stream.get_mut().write_all(answer.as_bytes()).await.ok()?;
    }
}

/// The words of the next command.
async fn command(stream: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for _ in 0..number(stream).await? {
        let mut word = vec![0; number(stream).await? + 2];
        stream.read_exact(&mut word).await.ok()?;
        word.truncate(word.len() - 2);
        words.push(String::from_utf8_lossy(&word).to_uppercase());
    }
    Some(words)
}

/// The number behind `*` or `$`.
async fn number(stream: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    line.trim_end().get(1..)?.parse().ok()
}
