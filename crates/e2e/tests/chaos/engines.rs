//! What servers share when they have outgrown one machine: PostgreSQL and an S3 store, each behind a wire.

use crate::ground::{Ground, Shared};
use crate::part::{Part, Recipe};
use crate::random::rage;
use e2e::dice::figure;
use e2e::scene::example;
use e2e::store::{BUCKET, ID, SECRET};
use stage::{Cut, Postgres, Wire, postgres};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// How long the database or the store is away, where it is away for a while: longer than a check of health takes.
const AWAY: Duration = Duration::from_millis(1_500);

pub(crate) struct Engines {
    pub(crate) database: Postgres,
    pub(crate) database_wire: Wire,
    pub(crate) store: Part,
    url: String,
    bucket: PathBuf,
}

impl Engines {
    /// Starts both; `None`, with the reason said, where there is no PostgreSQL.
    pub(crate) fn start(root: &Path) -> Option<Self> {
        if let Some(why) = postgres::missing() {
            eprintln!("not run: {why}");
            return None;
        }
        let database = Postgres::start().unwrap();
        let database_wire = Wire::to(database.port()).unwrap();
        let (direct, through) = (format!(":{}/", database.port()), format!(":{}/", database_wire.port()));
        let url = database.database().unwrap().replace(&direct, &through);
        let folder = root.join("store");
        let recipe = Recipe {
            program: example("s3-store"),
            verb: "store",
            args: vec![folder.clone().into()],
            env: Vec::new(),
            log: root.join("store.log"),
        };
        let store = Part::start(recipe);
        Some(Self { database, database_wire, store, url, bucket: folder.join(BUCKET) })
    }
}

impl Shared for Engines {
    fn args(&self, _: usize) -> Vec<OsString> {
        Vec::new()
    }

    fn admin_args(&self) -> Vec<OsString> {
        Vec::new()
    }

    fn env(&self) -> Vec<(String, OsString)> {
        let endpoint = format!("http://127.0.0.1:{}", self.store.wire.port());
        let set = [
            ("DATABASE_URL", self.url.as_str()),
            ("WAXD_STORE", "s3"),
            ("S3_BUCKET", BUCKET),
            ("S3_REGION", "us-east-1"),
            ("S3_ENDPOINT", &endpoint),
            // Clients speak HTTPS alone, and this store does not.
            ("S3_DIRECT", "false"),
            ("AWS_ACCESS_KEY_ID", ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ];
        set.map(|(name, value)| (name.to_owned(), value.into())).into()
    }

    fn folders(&self) -> Vec<PathBuf> {
        vec![self.bucket.clone()]
    }

    fn faults(&self) -> u64 {
        6
    }

    fn strike(&mut self, which: u64, chance: u64) {
        let how = if chance.is_multiple_of(2) { Cut::Reset } else { Cut::Close };
        // Nothing tells when a machine comes back: the pauses are the faults themselves.
        match which {
            0 => {
                self.database.crash().unwrap();
                std::thread::sleep(if chance.is_multiple_of(3) { AWAY } else { Duration::ZERO });
                self.database.go().unwrap();
            }
            1 => self.database_wire.cut_all(how),
            2 => {
                self.database_wire.take_away();
                std::thread::sleep(AWAY);
                self.database_wire.bring_back().unwrap();
            }
            3 => {
                self.store.kill();
                std::thread::sleep(if chance.is_multiple_of(3) { AWAY } else { Duration::ZERO });
                self.store.revive();
            }
            4 => self.store.cut(how),
            _ => {
                self.store.stop();
                std::thread::sleep(AWAY);
                self.store.go_on();
            }
        }
    }

    fn heal(&mut self) {}
}

#[test]
fn whatever_dies_of_postgresql_and_s3_nothing_is_lost_and_everybody_goes_on() {
    let root = Rc::new(tempfile::tempdir().unwrap());
    let Some(engines) = Engines::start(root.path()) else { return };
    rage(Ground::over(root, Box::new(engines)), figure("CHAOS_FAULTS", 60));
}
