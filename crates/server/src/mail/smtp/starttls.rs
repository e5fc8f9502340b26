//! The few lines in clear before TLS: greeting, EHLO, STARTTLS, and then not one byte more.

use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Take};
use tokio::net::TcpStream;

use super::fault::{Fault, Step};

/// All that a relay may say before TLS.
const BYTES_MAX: u64 = 16 << 10;

type Plain = BufReader<Take<TcpStream>>;

/// Asks for TLS and gives the connection back at the very point where TLS begins.
///
/// The library below would upgrade as well, but keeps what came in clear behind the answer to STARTTLS and takes it
/// for answers given under TLS; whoever is in between could write them (as in CVE-2021-38371). Here that ends it.
pub(super) async fn upgrade(tcp: TcpStream, hello: &ClientId) -> Result<TcpStream, Fault> {
    let mut plain = BufReader::new(tcp.take(BYTES_MAX));
    expect(&mut plain, Step::Greeting, 220).await?;
    say(&mut plain, Step::Greeting, &format!("EHLO {hello}\r\n")).await?;
    let offers = expect(&mut plain, Step::Greeting, 250).await?;
    if !offers.iter().any(|offer| offer.eq_ignore_ascii_case(b"STARTTLS")) {
        return Err(Fault::NoStarttls);
    }
    say(&mut plain, Step::Starttls, "STARTTLS\r\n").await?;
    expect(&mut plain, Step::Starttls, 220).await?;
    if !plain.buffer().is_empty() {
        return Err(Fault::Injected);
    }
    Ok(plain.into_inner().into_inner())
}

async fn say(plain: &mut Plain, step: Step, line: &str) -> Result<(), Fault> {
    plain.get_mut().get_mut().write_all(line.as_bytes()).await.map_err(|_| Fault::Broken(step))
}

/// Reads a whole reply, of one line or several, and gives the text of its lines.
async fn expect(plain: &mut Plain, step: Step, wanted: u16) -> Result<Vec<Vec<u8>>, Fault> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        plain.read_until(b'\n', &mut line).await.map_err(|_| Fault::Broken(step))?;
        let line = line.strip_suffix(b"\r\n").ok_or(Fault::Broken(step))?;
        let (digits, rest) = line.split_at_checked(3).ok_or(Fault::Broken(step))?;
        let code = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
        let code: u16 = code.ok_or(Fault::Broken(step))?;
        if code != wanted {
            return Err(Fault::Refused { step, code });
        }
        let more = rest.first() == Some(&b'-');
        lines.push(rest.get(1..).unwrap_or_default().to_vec());
        if !more {
            return Ok(lines);
        }
    }
}
