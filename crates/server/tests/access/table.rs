//! The table "Who may what" of the protocol, read out of the document itself.

use std::collections::BTreeSet;
use std::path::Path;

/// The document, as it is published.
const PROTOCOL: &str = include_str!("../../../../spec/PROTOCOL.md");
/// Every path that there is a name for.
const PATHS: &str = include_str!("../../../proto/src/paths.rs");
const HEADING: &str = "## Who may what";
/// What stands in a cell for which no role is played yet.
pub(super) const WAITING: &str = "waiting";

/// One request, and what each role is answered.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) method: String,
    pub(super) path: String,
    /// What the request is about, where one path has more than one row.
    pub(super) about: String,
    /// `200`, or `404 not_found`; in the order of the columns.
    pub(super) cells: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) roles: Vec<String>,
    pub(super) rows: Vec<Row>,
}

impl Table {
    pub(super) fn of_the_protocol() -> Self {
        let (_, section) = PROTOCOL.split_once(HEADING).unwrap();
        let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
        let mut lines = section.lines().filter(|line| line.starts_with('|')).map(cells);
        let mut roles = lines.next().unwrap();
        assert_eq!(roles.drain(..2).collect::<Vec<_>>(), ["request", "about"]);
        let rows = lines.skip(1).map(|mut cells| {
            let about = cells.remove(1);
            let request = cells.remove(0);
            let (method, path) = request.trim_matches('`').split_once(' ').unwrap();
            assert_eq!(cells.len(), roles.len(), "{request}");
            Row { method: method.to_owned(), path: path.to_owned(), about, cells }
        });
        let rows = rows.collect();
        Self { roles, rows }
    }

    /// Method and path of every row.
    pub(super) fn routes(&self) -> BTreeSet<(String, String)> {
        self.rows.iter().map(|row| (row.method.clone(), row.path.clone())).collect()
    }
}

fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_start_matches('|').trim_end_matches('|');
    line.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// Routes that are no part of the protocol: those of `waxd doctor`, where strangers find nothing (`tests/doctor` tries it), and
/// that of the administrative listener (`tests/metrics.rs`).
const ASIDE: [&str; 6] = ["BODY,", "DRIP,", "RANGE,", "FRESH,", "SOCKET,", "\"/metrics\","];

/// Every path that the sources of the server lead to a route, wherever they do.
pub(super) fn paths_of_the_router() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for source in sources(&src) {
        for hidden in [".nest(", ".nest_service(", ".route_service(", ".fallback_service("] {
            assert!(!source.contains(hidden), "{hidden} would hide routes from this test");
        }
        for route in source.split(".route(").skip(1) {
            if ASIDE.iter().any(|aside| route.trim_start().starts_with(aside)) {
                continue;
            }
            let name = route.trim_start().strip_prefix("paths::").expect("a route is named in proto::paths");
            let (name, _) = name.split_once(',').unwrap();
            found.insert(path_named(name.trim()));
        }
    }
    found
}

fn path_named(name: &str) -> String {
    let (_, rest) = PATHS.split_once(&format!("pub const {name}: &str =")).expect("a path has a name");
    rest.split('"').nth(1).unwrap().to_owned()
}

fn sources(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let texts = entries.flat_map(|path| {
        if path.is_dir() { sources(&path) } else { vec![std::fs::read_to_string(path).unwrap()] }
    });
    texts.collect()
}
