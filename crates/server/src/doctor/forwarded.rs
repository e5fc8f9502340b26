//! Whether limits count people, and not a proxy that stands before the server.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};

use super::Chart;
use crate::routes::doctor::Arrived;

const TELL: &str = "nginx: `proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`";

/// One request over HTTP/1.1 that named nobody, as it was seen from both of its ends.
pub(super) struct Crossing<'a> {
    /// What the server says of it.
    pub(super) arrived: &'a Arrived,
    /// Our end of the connection.
    pub(super) own: SocketAddr,
    /// The head of the reply.
    pub(super) headers: &'a HeaderMap,
    /// Whether TLS is spoken to us, and not to the server.
    pub(super) tls_ends_before: bool,
}

/// What stands between us and the server, as far as that can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    /// The server sees our own end of the connection.
    Nothing,
    /// Something that takes connections and makes its own.
    Proxy,
    /// The server sees another address than ours: addresses are translated on the way, or a proxy leaves no mark.
    Unclear,
    /// A server of the version before, which tells no port.
    Untold,
}

pub(super) fn judge(crossing: &Crossing<'_>, chart: &mut Chart<'_>) {
    let arrived = crossing.arrived;
    match (arrived.is_forwarded, arrived.is_trusted) {
        (true, true) => believed(crossing, chart),
        (true, false) => chart.red(
            "forwarded",
            format!(
                "the proxy at {} says who asks, and is not believed: all people are one to the limits",
                arrived.peer
            ),
            format!("set TRUSTED_PROXIES={}", arrived.peer),
        ),
        (false, is_trusted) => unsaid(crossing, is_trusted, chart),
    }
}

/// A proxy says who asks, and is believed. Another one before it may have kept quiet.
fn believed(crossing: &Crossing<'_>, chart: &mut Chart<'_>) {
    let (client, peer) = (&crossing.arrived.client, &crossing.arrived.peer);
    if came_home(client.parse().ok(), crossing.own) {
        let seen = format!(
            "limits count {client}, by the word of the proxy at {peer}: another proxy, so all people are one to them"
        );
        return chart.red("forwarded", seen, format!("have that one say who asks as well; {TELL}"));
    }
    chart.green("forwarded", format!("limits count {client}, by the word of the proxy at {peer}"));
}

/// Nobody says who asks: in order only where the server sees people's own connections.
fn unsaid(crossing: &Crossing<'_>, is_trusted: bool, chart: &mut Chart<'_>) {
    let (peer, own) = (&crossing.arrived.peer, crossing.own.ip().to_canonical());
    match between(crossing) {
        Between::Nothing => {
            chart.green(
                "forwarded",
                "nothing stands before the server; limits count the connection's own address",
            );
        }
        // Whoever is named as a proxy is one.
        _ if is_trusted => {
            let seen = format!("the proxy at {peer} does not say who asks: all people are one to the limits");
            chart.red("forwarded", seen, TELL);
        }
        Between::Proxy => {
            let seen = format!(
                "a proxy at {peer} stands before the server and does not say who asks: all people are one to the limits"
            );
            chart.red("forwarded", seen, format!("{TELL}, and set TRUSTED_PROXIES={peer}"));
        }
        Between::Unclear => {
            let seen = format!(
                "the server sees {peer}, and this came from {own}: addresses are translated on the way, or a proxy \
                 does not say who asks"
            );
            let fix = format!(
                "if it is a proxy: {TELL}, and set TRUSTED_PROXIES={peer}; if it is a router or the network of a \
                 container, see that it keeps the addresses of others, or all people are one to the limits"
            );
            chart.yellow("forwarded", seen, fix);
        }
        Between::Untold => {
            let seen =
                "the server is older than this waxd, and does not tell whether a proxy stands before it";
            chart.yellow("forwarded", seen, "run the doctor of the version that serves");
        }
    }
}

fn between(crossing: &Crossing<'_>) -> Between {
    let own = (crossing.own.ip().to_canonical(), crossing.own.port());
    let peer = crossing.arrived.peer.parse::<IpAddr>().ok();
    let is_our_address = peer == Some(own.0);
    match crossing.arrived.peer_port {
        Some(port) if is_our_address && port == own.1 => Between::Nothing,
        // On our own machine, and not our connection.
        Some(_) if is_our_address => Between::Proxy,
        _ if came_home(peer, crossing.own) || is_marked(crossing) => Between::Proxy,
        None if is_our_address => Between::Untold,
        _ => Between::Unclear,
    }
}

/// Whether an address is the server's own machine, while we came over a network: no translation of addresses does that.
fn came_home(address: Option<IpAddr>, own: SocketAddr) -> bool {
    address.is_some_and(|address| address.to_canonical().is_loopback())
        && !own.ip().to_canonical().is_loopback()
}

/// Whether something that speaks HTTP or TLS left its mark: the server sends neither header, and speaks the HTTP it is asked in.
fn is_marked(crossing: &Crossing<'_>) -> bool {
    let has = |name: HeaderName| crossing.headers.contains_key(name);
    has(header::VIA) || has(header::SERVER) || crossing.arrived.http2 || crossing.tls_ends_before
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::HeaderValue;

    use super::*;
    use crate::doctor::{Finding, Verdict};

    fn arrived(peer: &str, peer_port: Option<u16>) -> Arrived {
        Arrived {
            bytes: 1,
            sha256: String::new(),
            spread_ms: 0,
            http2: false,
            peer: peer.to_owned(),
            peer_port,
            is_trusted: false,
            is_forwarded: false,
            client: peer.to_owned(),
            now: 0,
        }
    }

    fn judged(own: &str, arrived: &Arrived, headers: &HeaderMap, tls_ends_before: bool) -> Finding {
        let crossing = Crossing { arrived, own: own.parse().unwrap(), headers, tls_ends_before };
        let mut show = |_: &Finding| {};
        let mut chart = Chart::new(Duration::from_secs(30), &mut show);
        judge(&crossing, &mut chart);
        assert_eq!(chart.findings.len(), 1);
        chart.findings.remove(0)
    }

    fn plainly(own: &str, arrived: &Arrived) -> Finding {
        judged(own, arrived, &HeaderMap::new(), false)
    }

    #[test]
    fn only_our_own_connection_seen_by_the_server_proves_that_nothing_stands_between() {
        for (own, peer) in [
            ("127.0.0.1:50000", "127.0.0.1"),
            ("[::ffff:192.0.2.7]:50000", "192.0.2.7"),
            ("[2001:db8::1]:50000", "2001:db8::1"),
        ] {
            assert_eq!(plainly(own, &arrived(peer, Some(50_000))).verdict, Verdict::Green, "{own}");
            let quiet = plainly(own, &arrived(peer, Some(50_001)));
            assert_eq!(quiet.verdict, Verdict::Red, "{own}");
            let fix = quiet.fix.unwrap();
            assert!(
                fix.contains("X-Forwarded-For") && fix.contains(&format!("TRUSTED_PROXIES={peer}")),
                "{fix}"
            );
        }
        let mut direct = arrived("127.0.0.1", Some(50_000));
        direct.is_trusted = true;
        assert_eq!(plainly("127.0.0.1:50000", &direct).verdict, Verdict::Green, "a doctor is no proxy");
    }

    #[test]
    fn a_loopback_peer_of_a_doctor_that_came_over_a_network_is_a_proxy() {
        assert_eq!(plainly("192.0.2.7:50000", &arrived("127.0.0.1", Some(50_000))).verdict, Verdict::Red);
        assert_eq!(plainly("[2001:db8::1]:50000", &arrived("::1", None)).verdict, Verdict::Red);
    }

    #[test]
    fn another_address_is_yellow_for_it_may_be_translated_and_red_where_a_proxy_left_its_mark() {
        let seen = arrived("172.17.0.1", Some(50_000));
        let own = "192.0.2.7:50000";
        let unclear = plainly(own, &seen);
        assert_eq!(unclear.verdict, Verdict::Yellow);
        assert!(
            unclear.seen.contains("172.17.0.1") && unclear.seen.contains("192.0.2.7"),
            "{}",
            unclear.seen
        );
        assert!(unclear.fix.unwrap().contains("TRUSTED_PROXIES=172.17.0.1"));
        for name in [header::VIA, header::SERVER] {
            let headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("x"))]);
            assert_eq!(judged(own, &seen, &headers, false).verdict, Verdict::Red, "{name}");
        }
        assert_eq!(judged(own, &seen, &HeaderMap::new(), true).verdict, Verdict::Red, "TLS ended before");
        let other_http = Arrived { http2: true, ..seen };
        assert_eq!(plainly(own, &other_http).verdict, Verdict::Red);
        let named = Arrived { is_trusted: true, ..arrived("172.17.0.1", Some(50_000)) };
        assert_eq!(plainly(own, &named).verdict, Verdict::Red, "who is named as a proxy is one");
    }

    #[test]
    fn a_server_of_the_version_before_is_not_called_green_and_still_understood() {
        let old = r#"{"bytes":1,"sha256":"","spread_ms":0,"http2":false,"peer":"127.0.0.1","is_trusted":false,
            "is_forwarded":false,"client":"127.0.0.1","now":0}"#;
        let old: Arrived = serde_json::from_str(old).unwrap();
        assert_eq!(old.peer_port, None);
        assert_eq!(plainly("127.0.0.1:50000", &old).verdict, Verdict::Yellow);
    }

    #[test]
    fn a_proxy_behind_a_proxy_that_keeps_quiet_is_red() {
        let mut seen = arrived("127.0.0.1", Some(50_000));
        (seen.is_forwarded, seen.is_trusted) = (true, true);
        assert_eq!(plainly("192.0.2.7:50000", &seen).verdict, Verdict::Red);
        seen.client = "192.0.2.7".to_owned();
        assert_eq!(plainly("192.0.2.7:50000", &seen).verdict, Verdict::Green);
        seen.client = "127.0.0.1".to_owned();
        assert_eq!(plainly("127.0.0.1:50001", &seen).verdict, Verdict::Green, "we are on its machine");
    }
}
