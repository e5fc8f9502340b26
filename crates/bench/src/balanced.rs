//! Files through a balancer to one server, beside no balancer at all, and HAProxy and nginx doing TLS to TLS.
//!
//! Somebody sends and fetches over each of the four ways in turn; what is sealed and opened is the same on all.

use crate::beside;
use crate::rows::{Group, Row, count, remove, warm};
use stage::{
    Balancer, BalancerOptions, Haproxy, Nginx, Parcel, Person, Role, Server, ServerOptions, StageError,
    nginx_is_installed,
};
use std::path::Path;
use std::time::Duration;

/// One way to the server.
struct Way {
    tool: &'static str,
    /// Somebody whose client goes this way; none where the tool is not installed.
    person: Option<Person>,
    sent: Vec<Duration>,
    got: Vec<Duration>,
}

/// Sends and fetches a file over every way in turn.
pub(crate) fn groups(root: &Path, len: u64, runs: u32) -> Result<Vec<Group>, StageError> {
    let (waxd, wax, data) = (beside("waxd")?, beside("wax")?, root.join("server"));
    let more = ["--trusted-proxies", "127.0.0.0/8,::1"];
    let server = Server::start(&ServerOptions {
        waxd: &waxd,
        data: &data,
        logs: &root.join("logs"),
        port: 0,
        quiet: true,
        more: &more,
    })?;
    let port = server.port().unwrap_or_default();
    let balancer = Balancer::start(&BalancerOptions {
        waxd: &waxd,
        data: &data,
        logs: &root.join("logs"),
        port: 0,
        upstreams: &[&server.url],
        more: &[],
    })?;
    let haproxy = if Haproxy::is_installed() { Some(Haproxy::start(root, port, &server.ca)?) } else { None };
    let nginx = nginx_is_installed().then(|| Nginx::start(root, Role::Proxy { upstream: port, body_mib: 0 }));
    let nginx = nginx.transpose()?;
    let person = |name: &str, url: &str, ca: &Path| -> Result<Person, StageError> {
        let address = format!("{}@lindenhof-law.example", name.to_lowercase());
        let mut person = Person::new(name, &address, &wax, root)?;
        person.quiet = true;
        person.sign_up_at(&server, url, ca)?;
        Ok(person)
    };
    let way = |tool, person| Way { tool, person, sent: Vec::new(), got: Vec::new() };
    let of_haproxy = haproxy.as_ref().map(|peer| person("Harriet", &peer.url, &peer.ca)).transpose()?;
    let of_nginx = nginx.as_ref().map(|peer| person("Nora", &peer.url, &peer.ca)).transpose()?;
    let mut ways = [
        way("through waxd balance", Some(person("Ben", &balancer.url, &balancer.ca)?)),
        way("straight to the server", Some(person("Dora", &server.url, &server.ca)?)),
        way("through HAProxy, TLS to TLS", of_haproxy),
        way("through nginx, TLS to TLS", of_nginx),
    ];
    let parcel = Parcel::make(&root.join("parcel.bin"), len)?;
    for run in 0..=runs {
        for way in &mut ways {
            go(way, &parcel, &root.join("got"), run)?;
        }
    }
    let peaks = [
        balancer.peak(),
        None,
        haproxy.as_ref().and_then(Haproxy::peak),
        nginx.as_ref().and_then(Nginx::peak),
    ];
    Ok(tables(&ways, peaks, len))
}

/// A file goes to the server, comes back, and is deleted.
fn go(way: &mut Way, parcel: &Parcel, target: &Path, run: u32) -> Result<(), StageError> {
    let Some(person) = &way.person else { return Ok(()) };
    let (source, to) = (crate::text(&parcel.path), crate::text(target));
    warm(parcel.len);
    let done = person.wax(&["send", &source, "--no-compress", "--to", &person.address])?;
    count(run, &mut way.sent, done.took);
    let file_id = done.sent_id()?;
    warm(parcel.len);
    count(run, &mut way.got, person.wax(&["get", &file_id, "-o", &to])?.took);
    remove(target)?;
    person.wax(&["rm", &file_id, "--yes"])?;
    Ok(())
}

fn tables(ways: &[Way; 4], peaks: [Option<u64>; 4], bytes: u64) -> Vec<Group> {
    let rows = |times: fn(&Way) -> &Vec<Duration>| {
        let row = |(way, peak): (&Way, Option<u64>)| Row {
            tool: way.tool,
            times: way.person.as_ref().map(|_| times(way).clone()),
            peak,
        };
        ways.iter().zip(peaks).map(row).collect()
    };
    vec![
        Group {
            task: "wax send, by four ways to one server (memory of what stands between)",
            bytes,
            rows: rows(|way| &way.sent),
        },
        Group {
            task: "wax get, by four ways to one server (memory of what stands between)",
            bytes,
            rows: rows(|way| &way.got),
        },
    ]
}
