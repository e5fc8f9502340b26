//! The public address, asked as people reach it: through whatever stands before the server.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use futures::StreamExt as _;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::caller::{Answer, CallError, Caller};
use super::clock::{self, Others};
use super::forwarded::{self, Crossing};
use super::{Chart, Options, authorities, certificate, size, token};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, PublicUrl};
use crate::routes::doctor::{Arrived, BODY, DRIP, FRESH, GREETING, RANGE, SOCKET, range_octets};
use crate::secrets::Keys;

/// A whole part of a file, and what is sent of it where that does not get through.
const PART: usize = 16 << 20;
const SMALLER: [usize; 6] = [8 << 20, 4 << 20, 2 << 20, 1 << 20, 512 << 10, 64 << 10];
/// Between the first and the last octet, to see whether they are held back. Half of it tells.
const PAUSE: Duration = Duration::from_millis(1_200);
/// How much longer than a pause that was asked for.
const PATIENCE: Duration = Duration::from_secs(30);

/// One visit to the public address.
pub(super) struct Visit<'a> {
    pub(super) config: &'a Config,
    pub(super) url: &'a PublicUrl,
    pub(super) options: &'a Options,
    pub(super) keys: &'a Keys,
}

impl Visit<'_> {
    /// Looks at everything; says what the clocks show that were seen on the way.
    pub(super) async fn look(&self, chart: &mut Chart<'_>) -> Others {
        let mut others = Others::default();
        let roots = match authorities(self.config, self.options) {
            Ok(roots) => roots,
            Err(why) => {
                chart.red("reached", why, "give a file of PEM certificates to --ca");
                return others;
            }
        };
        let token = token::issue(self.keys, SystemClock.now());
        let Some(caller) = Caller::new(self.url.url(), roots.clone(), token) else { return others };
        let host = self.url.url().host_str().unwrap_or_default();
        let met = match caller.meet(&[b"h2", b"http/1.1"]).await {
            Ok((_, met)) => met,
            Err(error) => {
                self.unreached(&error, host, chart);
                return others;
            }
        };
        chart.green("reached", format!("{} at {}", self.url.origin(), met.address));
        if !met.certificates.is_empty() {
            certificate::judge(&met.certificates, host, &roots, chart);
        }
        let asked = SystemClock.now();
        let first = match caller.ask(put(&caller, Bytes::from_static(b"1"))).await {
            Ok(first) => first,
            Err(error) => {
                chart.red("this_server", error.to_string(), "see to the proxy: what does its error log say?");
                return others;
            }
        };
        let span = asked..=SystemClock.now();
        // Also where the server does not know us: a wrong clock may be why.
        others.gate = date(&first).map(|there| clock::ahead(there, &span));
        let Some(arrived) = arrived(&first) else {
            stranger(&first, others.gate, chart);
            return others;
        };
        others.server = Some(clock::ahead(arrived.now, &span));
        chart.green("this_server", "this server answers there");
        if self.url.url().scheme() == "https" {
            http2(&caller, met.is_http2, chart).await;
        }
        bodies(&caller, chart).await;
        buffering(&caller, chart).await;
        streaming(&caller, chart).await;
        ranges(&caller, chart).await;
        unaltered(&caller, chart).await;
        fresh(&caller, chart).await;
        socket(&caller, chart).await;
        forwarded::judge(&self.crossing(&arrived, &first), chart);
        if let Some(seconds) = self.options.slow_seconds {
            stillness(&caller, seconds, chart).await;
        }
        others
    }

    fn crossing<'a>(&self, arrived: &'a Arrived, answer: &'a Answer) -> Crossing<'a> {
        let tls_ends_before = self.url.url().scheme() == "https" && self.config.tls.plain_http;
        Crossing { arrived, own: answer.own, headers: &answer.headers, tls_ends_before }
    }

    fn unreached(&self, error: &CallError, host: &str, chart: &mut Chart<'_>) {
        if let CallError::Tls(io) = error
            && let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            let (seen, fix) = certificate::in_words(tls, host);
            return chart.red("reached", seen, fix);
        }
        let fix = match error {
            CallError::Name(_) => "see to the name in the DNS",
            CallError::Tls(_) => "TLS is not spoken there: see to the port, and to the proxy's certificate",
            _ => "is the server or its proxy running, and does the firewall let the port through?",
        };
        chart.red("reached", format!("{}: {error}", self.url.origin()), fix);
    }
}

/// Whoever answers is not this server, or does not know its doctor.
fn stranger(answer: &Answer, ahead: Option<i64>, chart: &mut Chart<'_>) {
    let seen = format!("the answer is {}, not that of a server with these secrets", answer.status.as_u16());
    let fix = match answer.status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            "the proxy does not reach the server: is it running, and does the proxy know its address and TLS?"
                .to_owned()
        }
        _ => causes(ahead),
    };
    chart.red("this_server", seen, fix);
}

/// Why a server may not know its own doctor. All are named: which it is the answer does not tell, and a proxy's clock may be right
/// where the server's is not.
fn causes(ahead: Option<i64>) -> String {
    const FOUR: &str = "one of four: other secrets (run the doctor with the server's own --data and SECRET_KEY); a proxy that \
                        sends /api/v1/ elsewhere; a proxy that takes the header waxwing-doctor away; or clocks of server and \
                        doctor that are more than 15 minutes apart";
    match ahead {
        Some(ahead) if ahead.unsigned_abs() >= token::SKEW_SECONDS.unsigned_abs() => {
            format!(
                "set the clocks, which are {} minutes apart (below); else {FOUR}",
                ahead.unsigned_abs() / 60
            )
        }
        _ => FOUR.to_owned(),
    }
}

fn put(caller: &Caller, octets: Bytes) -> Request<Body> {
    caller.request(Method::PUT, BODY, Body::from(octets))
}

fn get(caller: &Caller, path: &str) -> Request<Body> {
    caller.request(Method::GET, path, Body::empty())
}

fn arrived(answer: &Answer) -> Option<Arrived> {
    (answer.status == StatusCode::OK).then(|| serde_json::from_slice(&answer.body).ok()).flatten()
}

/// What the clock of whoever answered shows, by its `Date`.
fn date(answer: &Answer) -> Option<i64> {
    use lettre::message::header::{Date, Header as _};
    let date = Date::parse(answer.headers.get(header::DATE)?.to_str().ok()?).ok()?;
    let there = std::time::SystemTime::from(date).duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(there.as_secs()).ok()
}

async fn http2(caller: &Caller, is_offered: bool, chart: &mut Chart<'_>) {
    const FIX: &str =
        "nginx: `http2 on;` beside `listen … ssl;`; without it pages and lists are slower, and all works";
    if !is_offered {
        return chart.yellow("http2", "not offered", FIX);
    }
    match caller.ask_http2(proto::paths::HEALTH).await {
        Ok(answer) if answer.status == StatusCode::OK => chart.green("http2", "offered, and works"),
        Ok(answer) => chart.red("http2", format!("offered, but answers {}", answer.status.as_u16()), FIX),
        Err(error) => {
            chart.red("http2", format!("offered, but {error}"), "turn it off at the proxy, or update it")
        }
    }
}

/// Whether a part gets through, and is the same on the other side.
async fn bodies(caller: &Caller, chart: &mut Chart<'_>) {
    const FIX: &str =
        "nginx: `client_max_body_size 0;` (Waxwing has limits of its own); Apache: `LimitRequestBody 0`";
    let octets: Bytes = range_octets().repeat(PART / (256 << 10)).into();
    let why = match through(caller, octets.clone()).await {
        Ok(()) => return chart.green("bodies", format!("a part of {} gets through", size(PART as u64))),
        Err(why) => why,
    };
    let whole = format!("a part of {} does not get through ({why})", size(PART as u64));
    let seen = match timeout(chart.patience, largest(caller, &octets)).await {
        Ok(Some(len)) => format!("{whole}; {} does", size(len as u64)),
        Ok(None) => format!("no body gets through: {why}"),
        // So slow that it does not matter how much less would do.
        Err(_) => whole,
    };
    chart.red("bodies", seen, FIX);
}

/// How much gets through, of some sizes.
async fn largest(caller: &Caller, octets: &Bytes) -> Option<usize> {
    for len in SMALLER {
        if through(caller, octets.slice(..len)).await.is_ok() {
            return Some(len);
        }
    }
    None
}

async fn through(caller: &Caller, octets: Bytes) -> Result<(), String> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &octets);
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let answer = caller.ask(put(caller, octets)).await.map_err(|error| error.to_string())?;
    match arrived(&answer) {
        Some(arrived) if arrived.sha256 == digest => Ok(()),
        Some(_) => Err("other octets arrive".to_owned()),
        None => Err(format!("the answer is {}", answer.status.as_u16())),
    }
}

/// Whether the first octet of a body arrives before the last is sent.
async fn buffering(caller: &Caller, chart: &mut Chart<'_>) {
    let len = 64 << 10;
    let first = futures::stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from_static(&[1]))]);
    let rest = futures::stream::once(async move {
        tokio::time::sleep(PAUSE).await;
        Ok(Bytes::from(vec![2; len - 1]))
    });
    let mut request = caller.request(Method::PUT, BODY, Body::from_stream(first.chain(rest)));
    request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    let fix = "nginx: `proxy_request_buffering off;` (and `proxy_http_version 1.1;`), so that parts do not wait on the \
               proxy's disk";
    match caller.ask(request).await.map(|answer| arrived(&answer)) {
        Ok(Some(arrived)) if Duration::from_millis(arrived.spread_ms) >= PAUSE / 2 => {
            chart.green("request_stream", "what is sent arrives at once");
        }
        Ok(Some(_)) => chart.red(
            "request_stream",
            "what is sent is gathered first, and arrives only when all is there",
            fix,
        ),
        Ok(None) => chart.red("request_stream", "a body that is sent slowly is refused", fix),
        Err(error) => chart.red("request_stream", error.to_string(), fix),
    }
}

/// Whether what the server sends comes through at once.
async fn streaming(caller: &Caller, chart: &mut Chart<'_>) {
    let fix = "nginx: `proxy_buffering off;`, so that downloads and news do not wait on the proxy's disk";
    match drip(caller, PAUSE).await {
        Ok(gap) if gap >= PAUSE / 2 => chart.green("reply_stream", "what the server sends comes at once"),
        Ok(_) => chart.red(
            "reply_stream",
            "what the server sends is gathered first, and comes all at its end",
            fix,
        ),
        Err(error) => chart.red("reply_stream", error, fix),
    }
}

/// The time between the first piece and the last.
async fn drip(caller: &Caller, pause: Duration) -> Result<Duration, String> {
    let path = format!("{DRIP}?pause_ms={}", pause.as_millis());
    let patience = pause + PATIENCE;
    let response = caller.send(get(caller, &path), patience).await.map_err(|error| error.to_string())?;
    if response.status() != StatusCode::OK {
        return Err(format!("the answer is {}", response.status().as_u16()));
    }
    let mut body = response.into_body();
    let (mut first, mut last, mut all) = (None, Instant::now(), Vec::new());
    while let Some(frame) = timeout(patience, body.frame()).await.map_err(|_| "it stopped".to_owned())? {
        let frame = frame.map_err(|_| "the reply was cut off".to_owned())?;
        let Ok(data) = frame.into_data() else { continue };
        last = Instant::now();
        first.get_or_insert(last);
        all.extend_from_slice(&data);
        if all.len() > 64 {
            break;
        }
    }
    match (first, all.as_slice()) {
        (Some(first), b"firstlast") => Ok(last.duration_since(first)),
        _ => Err("the reply was cut off".to_owned()),
    }
}

/// Whether a stream may stand still for a while.
async fn stillness(caller: &Caller, seconds: u64, chart: &mut Chart<'_>) {
    let pause = Duration::from_secs(seconds);
    match drip(caller, pause).await {
        Ok(_) => chart.green("stillness", format!("a reply may stand still for {seconds} seconds")),
        Err(why) => {
            let fix = "nginx: `proxy_read_timeout 300s; proxy_send_timeout 300s; client_body_timeout 300s;`";
            chart.red(
                "stillness",
                format!("a reply that stands still for {seconds} seconds is given up: {why}"),
                fix,
            );
        }
    }
}

/// Whether a range is what it should be.
async fn ranges(caller: &Caller, chart: &mut Chart<'_>) {
    const FIX: &str = "nginx: no `proxy_cache`, no `proxy_set_header Range \"\"` and no `max_ranges 0` before Waxwing; an \
                       interrupted download begins anew without ranges";
    let mut request = get(caller, RANGE);
    request.headers_mut().insert(header::RANGE, HeaderValue::from_static("bytes=70001-70500"));
    match caller.ask(request).await {
        Ok(answer) if answer.status != StatusCode::PARTIAL_CONTENT => {
            chart.red("ranges", format!("the answer is {} instead of 206", answer.status.as_u16()), FIX);
        }
        Ok(answer) if answer.body == range_octets().slice(70_001..70_501) => {
            chart.green("ranges", "the right octets come");
        }
        Ok(_) => chart.red("ranges", "other octets come than were asked for", FIX),
        Err(error) => chart.red("ranges", error.to_string(), FIX),
    }
}

/// Whether replies come as they were sent, however much a proxy would like to compress them.
async fn unaltered(caller: &Caller, chart: &mut Chart<'_>) {
    let mut request = get(caller, RANGE);
    request
        .headers_mut()
        .insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate, br, zstd"));
    let fix =
        "nginx: `gzip off;` before Waxwing: sealed bytes do not become smaller, and must stay what they are";
    match caller.ask(request).await {
        Ok(answer) if answer.headers.contains_key(header::CONTENT_ENCODING) => {
            chart.red("unaltered", "replies are compressed on their way", fix);
        }
        Ok(answer) if answer.body == range_octets() => {
            chart.green("unaltered", "replies come as they were sent")
        }
        Ok(_) => chart.red("unaltered", "replies are altered on their way", fix),
        Err(error) => chart.red("unaltered", error.to_string(), fix),
    }
}

/// Whether every request reaches the server.
async fn fresh(caller: &Caller, chart: &mut Chart<'_>) {
    let fix = "nginx: no `proxy_cache` before Waxwing, and no `proxy_ignore_headers Cache-Control`";
    let twice = async {
        Ok::<_, CallError>((caller.ask(get(caller, FRESH)).await?, caller.ask(get(caller, FRESH)).await?))
    };
    match twice.await {
        Ok((first, second)) if first.status != StatusCode::OK || second.status != StatusCode::OK => {
            chart.red("uncached", format!("the answer is {}", first.status.as_u16()), fix);
        }
        Ok((first, second)) if first.body == second.body => {
            chart.red("uncached", "an old reply came again: something before the server keeps replies", fix);
        }
        Ok(_) => chart.green("uncached", "every request reaches the server"),
        Err(error) => chart.red("uncached", error.to_string(), fix),
    }
}

/// Whether a WebSocket gets through.
async fn socket(caller: &Caller, chart: &mut Chart<'_>) {
    let fix = "nginx: `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \
               $connection_upgrade;` (with the usual map); news come by a slower way without it";
    match greeting(caller).await {
        Ok(()) => chart.green("websocket", "gets through"),
        Err(why) => chart.red("websocket", why, fix),
    }
}

async fn greeting(caller: &Caller) -> Result<(), String> {
    let mut request = get(caller, SOCKET);
    let headers = request.headers_mut();
    for (name, value) in [
        (header::CONNECTION, "Upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_VERSION, "13"),
        (header::SEC_WEBSOCKET_KEY, "d2F4d2luZyBkb2N0b3IhIQ=="),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let response = caller.send(request, PATIENCE).await.map_err(|error| error.to_string())?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(format!(
            "it is not let through (the answer is {} instead of 101)",
            response.status().as_u16()
        ));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(|error| error.to_string())?;
    // A text frame of a few octets: its kind, its length, and the word (RFC 6455, section 5.2).
    let mut frame = [0; 2 + GREETING.len()];
    let reading = timeout(PAUSE * 10, async { TokioIo::new(upgraded).read_exact(&mut frame).await });
    reading
        .await
        .map_err(|_| "it was let through, and nothing came".to_owned())?
        .map_err(|error| error.to_string())?;
    if frame[0] == 0x81 && frame[2..] == *GREETING.as_bytes() {
        Ok(())
    } else {
        Err("it was let through, and something else came".to_owned())
    }
}
