//! Which server took which request, as the balancer's access log tells it.

use std::path::Path;

use stage::{Doing, PartOfCluster, StageError};

/// What a person would call a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    PartSent,
    PartFetched,
    Other,
}

const KINDS: [(Kind, &str); 3] = [
    (Kind::PartSent, "parts sent"),
    (Kind::PartFetched, "parts fetched"),
    (Kind::Other, "all other requests"),
];

/// A table: kinds of requests down, servers across.
pub(super) fn table(log: &Path, servers: &[(String, PartOfCluster)]) -> Result<Vec<Vec<String>>, StageError> {
    let text = std::fs::read_to_string(log).doing("reading the balancer's access log")?;
    let taken: Vec<(Kind, u16)> = text.lines().filter_map(read).collect();
    if taken.is_empty() {
        return Err(StageError::Unexpected("the balancer's access log names no request".into()));
    }
    let ports: Vec<Option<u16>> = servers.iter().map(|(_, part)| port_of(&part.url)).collect();
    let mut head = vec![String::new()];
    head.extend(servers.iter().map(|(name, _)| name.clone()));
    let mut rows = vec![head];
    for (kind, words) in KINDS {
        let count =
            |port: &Option<u16>| taken.iter().filter(|(k, p)| *k == kind && Some(*p) == *port).count();
        let mut row = vec![words.to_owned()];
        row.extend(ports.iter().map(count).map(|count| count.to_string()));
        rows.push(row);
    }
    Ok(rows)
}

/// One request that was passed on: what it was, and the port of the server that took it last.
fn read(line: &str) -> Option<(Kind, u16)> {
    if !line.contains("passed on") {
        return None;
    }
    let port = port_of(field(line, "upstream")?)?;
    let kind = match (field(line, "method")?, field(line, "route")?.ends_with("/parts/{}")) {
        ("PUT", true) => Kind::PartSent,
        ("GET", true) => Kind::PartFetched,
        _ => Kind::Other,
    };
    Some((kind, port))
}

/// The value of `name=value` or `name="value"`.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let pieces = line.split(' ');
    let value = pieces.filter_map(|piece| piece.strip_prefix(name)?.strip_prefix('=')).next()?;
    Some(value.trim_matches('"'))
}

fn port_of(address: &str) -> Option<u16> {
    address.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_says_what_it_was_and_who_took_it() {
        let line = "balancer  | 2026-01-02T03:04:05Z  INFO balancer::gate: passed on request=\"1\" method=PUT \
                    route=\"/api/v1/uploads/{}/parts/{}\" http=1 upstream=\"127.0.0.1:8444\" tries=1 status=200";
        assert_eq!(read(line), Some((Kind::PartSent, 8444)));
        assert_eq!(read(&line.replace("PUT", "GET")), Some((Kind::PartFetched, 8444)));
        assert_eq!(read(&line.replace("/parts/{}", "")), Some((Kind::Other, 8444)));
        assert_eq!(read("server 1  | INFO server::observe: answered method=PUT route=\"/parts/{}\""), None);
    }

    #[test]
    fn a_request_that_no_server_took_is_nobodys() {
        assert_eq!(read("passed on method=GET route=\"/\" upstream=\"-\""), None);
    }
}
