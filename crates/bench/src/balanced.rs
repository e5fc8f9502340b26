//! Files through a balancer to one server, beside no balancer at all, and HAProxy and nginx doing TLS to TLS.
//!
//! Somebody sends and fetches over each of the four ways in turn; what is sealed and opened is the same on all. Either
//! nothing is between the parts but this machine's loopback, so that whatever a balancer spends is missing at the ends; or
//! a network of a given rate is between each client and what it speaks to.

use crate::beside;
use crate::rows::{Group, Meter, Row, Series, remove, warm};
use stage::{
    Balancer, BalancerOptions, Haproxy, Nginx, Parcel, Person, Role, Server, ServerOptions, StageError, Wire,
    nginx_is_installed,
};
use std::path::Path;

/// One way to the server.
struct Way {
    tool: &'static str,
    /// Somebody whose client goes this way; none where the tool is not installed.
    person: Option<Person>,
    /// The processes between client and server.
    between: Vec<u32>,
    sent: Series,
    got: Series,
}

/// The parts, which end with this.
struct Parts {
    server: Server,
    balancer: Balancer,
    haproxy: Option<Haproxy>,
    nginx: Option<Nginx>,
}

/// Sends and fetches a file over every way in turn; over a network of so many Mbit/s if there is one.
pub(crate) fn groups(root: &Path, len: u64, runs: u32, link: Option<u64>) -> Result<Vec<Group>, StageError> {
    let parts = Parts::start(root)?;
    let mut wires = Vec::new();
    let mut ways = parts.ways(root, link, &mut wires)?;
    let parcel = Parcel::make(&root.join("parcel.bin"), len)?;
    for run in 0..=runs {
        for way in &mut ways {
            go(way, &parcel, &root.join("got"), run)?;
        }
    }
    let peaks = [
        parts.balancer.peak(),
        None,
        parts.haproxy.as_ref().and_then(Haproxy::peak),
        parts.nginx.as_ref().and_then(Nginx::peak),
    ];
    Ok(tables(ways, peaks, len, link))
}

impl Parts {
    fn start(root: &Path) -> Result<Self, StageError> {
        let (waxd, data, logs) = (beside("waxd")?, root.join("server"), root.join("logs"));
        let more = ["--trusted-proxies", "127.0.0.0/8,::1"];
        let options =
            ServerOptions { waxd: &waxd, data: &data, logs: &logs, port: 0, quiet: true, more: &more };
        let server = Server::start(&options)?;
        let port = server.port().unwrap_or_default();
        let upstreams = [server.url.as_str()];
        let balancer = Balancer::start(&BalancerOptions {
            waxd: &waxd,
            data: &data,
            logs: &logs,
            port: 0,
            upstreams: &upstreams,
            more: &[],
        })?;
        let haproxy = Haproxy::is_installed().then(|| Haproxy::start(root, port, &server.ca)).transpose()?;
        let proxy = Role::Proxy { upstream: port, body_mib: 0 };
        let nginx = nginx_is_installed().then(|| Nginx::start(root, proxy)).transpose()?;
        Ok(Self { server, balancer, haproxy, nginx })
    }

    fn ways(&self, root: &Path, link: Option<u64>, wires: &mut Vec<Wire>) -> Result<[Way; 4], StageError> {
        let wax = beside("wax")?;
        let mut way = |tool, name: &str, to: Option<(&str, &Path)>, between| -> Result<Way, StageError> {
            let person = to.map(|(url, ca)| {
                let address = format!("{}@lindenhof-law.example", name.to_lowercase());
                let mut person = Person::new(name, &address, &wax, root)?;
                person.quiet = true;
                person.sign_up_at(&self.server, &narrowed(url, link, wires)?, ca)?;
                Ok::<_, StageError>(person)
            });
            let person = person.transpose()?;
            Ok(Way { tool, person, between, sent: Series::default(), got: Series::default() })
        };
        let (server, balancer) = (&self.server, &self.balancer);
        let haproxy = self.haproxy.as_ref().map(|peer| (peer.url.as_str(), peer.ca.as_path()));
        let nginx = self.nginx.as_ref().map(|peer| (peer.url.as_str(), peer.ca.as_path()));
        let of_haproxy = self.haproxy.iter().map(Haproxy::pid).collect();
        let of_nginx = self.nginx.iter().flat_map(Nginx::workers).collect();
        Ok([
            way("through waxd balance", "Ben", Some((&balancer.url, &balancer.ca)), vec![balancer.pid()])?,
            way("straight to the server", "Dora", Some((&server.url, &server.ca)), Vec::new())?,
            way("through HAProxy, TLS to TLS", "Harriet", haproxy, of_haproxy)?,
            way("through nginx, TLS to TLS", "Nora", nginx, of_nginx)?,
        ])
    }
}

/// The same address behind a network of so many Mbit/s, if there is one.
fn narrowed(url: &str, link: Option<u64>, wires: &mut Vec<Wire>) -> Result<String, StageError> {
    let Some(mbit) = link else { return Ok(url.to_owned()) };
    let port = url.rsplit_once(':').and_then(|(_, port)| port.trim_end_matches('/').parse().ok());
    let wire = Wire::to(port.ok_or_else(|| StageError::Unexpected(format!("{url} has no port")))?)?;
    wire.narrow(mbit * 1_000_000 / 8);
    let narrowed = wire.url();
    wires.push(wire);
    Ok(narrowed)
}

/// A file goes to the server, comes back, and is deleted.
fn go(way: &mut Way, parcel: &Parcel, target: &Path, run: u32) -> Result<(), StageError> {
    let Some(person) = &way.person else { return Ok(()) };
    let (source, to) = (crate::text(&parcel.path), crate::text(target));
    warm(parcel.len);
    let meter = Meter::on(way.between.clone());
    let done = person.wax(&["send", &source, "--no-compress", "--to", &person.address])?;
    way.sent.add(run, done.took, None, &meter);
    let file_id = done.sent_id()?;
    warm(parcel.len);
    let meter = Meter::on(way.between.clone());
    way.got.add(run, person.wax(&["get", &file_id, "-o", &to])?.took, None, &meter);
    remove(target)?;
    person.wax(&["rm", &file_id, "--yes"])?;
    Ok(())
}

fn tables(ways: [Way; 4], peaks: [Option<u64>; 4], bytes: u64, link: Option<u64>) -> Vec<Group> {
    let (mut sent, mut got) = (Vec::new(), Vec::new());
    for (way, peak) in ways.into_iter().zip(peaks) {
        let is_here = way.person.is_some();
        sent.push(Row { peak, ..way.sent.row(way.tool, is_here) });
        got.push(Row { peak, ..way.got.row(way.tool, is_here) });
    }
    let over = link.map_or_else(String::new, |mbit| format!(" over a network of {mbit} Mbit/s"));
    let group = |what: &str, rows| Group {
        beyond: "what stands between",
        ..Group::of(
            format!("wax {what}{over}, by four ways to one server (memory of what stands between)"),
            bytes,
            rows,
        )
    };
    vec![group("send", sent), group("get", got)]
}
