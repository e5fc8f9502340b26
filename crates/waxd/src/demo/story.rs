//! The story itself: sign up, exchange bundles, send, get, compare, let things die, search, sum up.

use super::narrate::{chapter, memory, rate, say, size, table, tell};
use super::trouble::{a_folder_is_lost, a_server_dies, fetch, short, stored};
use super::{DemoArgs, access};
use serde_json::Value;
use stage::{
    Cluster, ClusterOptions, Doing, Done, Needles, Parcel, Person, StageError, peak_of, sha256_of, text_at,
};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// Where the balancer and the servers of the story listen, if nobody else does.
const BALANCER: u16 = 9000;
const SERVERS: [u16; 3] = [8443, 8444, 8445];
/// The file during whose transfer a server dies has at most so many bytes.
const SECOND_FILE: u64 = 120_000_000;

/// Everything that the story needs: folders, a cluster that runs, two people.
pub(super) struct Cast {
    alice: Person,
    bob: Person,
    cluster: Cluster,
    waxd: PathBuf,
    wax: PathBuf,
    root: PathBuf,
}

impl Cast {
    /// Makes the folders and starts the cluster.
    pub(super) fn assemble(args: &DemoArgs) -> Result<Self, StageError> {
        let root = match &args.dir {
            Some(dir) => dir.clone(),
            None => std::env::temp_dir().join(format!("waxwing-demo-{}", uuid::Uuid::new_v4().simple())),
        };
        for part in ["server", "logs", "desk"] {
            std::fs::create_dir_all(root.join(part))
                .doing(format!("making {}", root.join(part).display()))?;
        }
        let root = root.canonicalize().doing("finding the demo's folder")?;
        let wax = match &args.wax {
            Some(wax) => wax.clone(),
            None => std::env::current_exe().doing("finding wax")?.with_file_name("wax"),
        };
        if !wax.is_file() {
            return Err(StageError::Unexpected(format!("{} is not there; build it first", wax.display())));
        }
        say("Waxwing: a file is sealed by Alice, kept by servers that cannot read it, opened by Bob");
        chapter("A balancer and three servers start");
        let waxd = std::env::current_exe().doing("finding waxd itself")?;
        let cluster = start(&waxd, &root)?;
        let alice = Person::new("Alice", "alice@lindenhof-law.example", &wax, &root)?;
        let bob = Person::new("Bob", "bob@seaside-clinic.example", &wax, &root)?;
        Ok(Self { alice, bob, cluster, waxd, wax, root })
    }

    /// Plays the whole way once.
    pub(super) fn play(&self, args: &DemoArgs) -> Result<(), StageError> {
        chapter("Alice and Bob sign up");
        let mut codes = Vec::new();
        for person in [&self.alice, &self.bob] {
            let code = || self.cluster.code_for(&person.address);
            codes.push(person.sign_up_with(&self.cluster.url, &self.cluster.ca, code)?);
            tell(&format!("{} proved {} with a mailed code and made keys", person.name, person.address));
        }
        chapter("They exchange their public bundles and compare the safety number");
        self.exchange()?;
        chapter("Alice sends a file to Bob");
        let parcel = self.parcel(args)?;
        let (file_id, sent) = self.send(&parcel)?;
        chapter("Bob gets it");
        let got = self.get(&file_id, &parcel)?;
        chapter("Who took which request");
        self.who_did_what()?;
        chapter("A server dies in the middle of a transfer");
        let second = self.made("minutes", args.size.saturating_mul(1_000_000).min(SECOND_FILE))?;
        let (cluster, target) = (&self.cluster, PathBuf::from(self.desk("second-as-bob-got-it")));
        let second_id = a_server_dies(cluster, &self.alice, &self.bob, &second, &target)?;
        let files = [(&file_id, &parcel), (&second_id, &second)];
        a_folder_is_lost(&self.waxd, cluster, &self.folders(), || {
            for (id, parcel) in files {
                fetch(&self.bob, id, parcel, &target)?;
            }
            Ok(files.len())
        })?;
        chapter("What the servers kept is searched");
        self.search(&[&parcel, &second], &codes)?;
        self.sum_up(&parcel, &sent, &got)
    }

    /// The storage folders, one for each server.
    fn folders(&self) -> Vec<PathBuf> {
        (1..=SERVERS.len()).map(|n| self.cluster.data.join(format!("blobs-{n}"))).collect()
    }

    fn who_did_what(&self) -> Result<(), StageError> {
        table(&access::table(&self.cluster.log, &servers_of(&self.cluster))?);
        let kept: Vec<String> = self
            .folders()
            .iter()
            .map(|folder| {
                let (parts, bytes) = stored(folder);
                format!("{} in {} ({parts} parts)", size(bytes), short(folder))
            })
            .collect();
        tell(&format!("each part is kept twice: {}", kept.join(", ")));
        Ok(())
    }

    /// Leaves everything running until Ctrl-C.
    pub(super) fn stay(&self) -> Result<(), StageError> {
        chapter("The system stays up; press Ctrl-C to end it. To try it yourself:");
        let cluster = &self.cluster;
        tell(&format!(
            "{} --home /tmp/carol login carol@office.example --server {} --ca {}",
            self.wax.display(),
            cluster.url,
            cluster.ca.display()
        ));
        tell(&format!("the codes that it mails are in {}", cluster.data.join("mail").display()));
        tell(&format!("Bob's files: {} --home {} ls", self.wax.display(), self.bob.home.display()));
        for (name, part) in cluster.parts() {
            tell(&format!("{name} is process {}: kill -9 {} and it comes back", part.pid, part.pid));
        }
        tell(&format!(
            "all servers, one after the other, while files go through: kill -HUP {}",
            cluster.pid()
        ));
        tell(&format!("what all of them log: {}", cluster.log.display()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.doing("waiting")?.block_on(async {
            let mut end =
                tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).doing("waiting")?;
            tokio::select! {
                pressed = tokio::signal::ctrl_c() => pressed.doing("waiting"),
                _ = end.recv() => Ok(()),
            }
        })
    }

    /// Ends what was started and removes what was made (a folder that was named stays).
    pub(super) fn leave(self, args: &DemoArgs) {
        let Self { alice, bob, cluster, root, .. } = self;
        drop((alice, bob, cluster));
        if args.dir.is_none() {
            drop(std::fs::remove_dir_all(root));
        }
    }

    /// Both hand their bundle over by themselves, so that not even the first contact trusts the server.
    fn exchange(&self) -> Result<(), StageError> {
        for (from, to) in [(&self.alice, &self.bob), (&self.bob, &self.alice)] {
            let bundle = self.desk(&format!("{}.bundle", from.name));
            from.wax(&["keys", "export", &bundle])?;
            to.wax(&["contacts", "add", &from.address, "--bundle", &bundle])?;
        }
        let by_alice = number_of(&self.alice, &self.bob.address)?;
        let by_bob = number_of(&self.bob, &self.alice.address)?;
        if by_alice != by_bob {
            return Err(StageError::Broken("the two safety numbers differ".into()));
        }
        self.alice.wax(&["contacts", "verify", &self.bob.address, "--number", &by_bob])?;
        self.bob.wax(&["contacts", "verify", &self.alice.address, "--number", &by_alice])?;
        tell(&format!("both see {by_alice}"));
        Ok(())
    }

    fn parcel(&self, args: &DemoArgs) -> Result<Parcel, StageError> {
        let parcel = match &args.file {
            Some(path) => Parcel::sample(&path.canonicalize().doing(format!("finding {}", path.display()))?)?,
            None => self.made("settlement-draft", args.size.saturating_mul(1_000_000))?,
        };
        tell(&format!(
            "the file has {}, and {} marks to look for later",
            size(parcel.len),
            parcel.marks.len()
        ));
        Ok(parcel)
    }

    /// A file that is made up, with a name that nobody else has.
    fn made(&self, name: &str, len: u64) -> Result<Parcel, StageError> {
        let name = format!("{name}-{}.pdf", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        Parcel::make(Path::new(&self.desk(&name)), len)
    }

    fn send(&self, parcel: &Parcel) -> Result<(String, Done), StageError> {
        let path = parcel.path.to_string_lossy();
        let sent = self.alice.wax(&["send", &path, "--to", &self.bob.address])?;
        let file_id = sent.sent_id()?;
        tell(&format!("sealed, sent and durable in {} ms: {file_id}", sent.took.as_millis()));
        Ok((file_id, sent))
    }

    fn get(&self, file_id: &str, parcel: &Parcel) -> Result<Done, StageError> {
        let target = self.desk("as-bob-got-it");
        let got = self.bob.wax(&["get", file_id, "-o", &target])?;
        let sealed_from = sha256_of(&parcel.path)?;
        let opened_to = sha256_of(Path::new(&target))?;
        if sealed_from != opened_to {
            return Err(StageError::Broken("Bob's file is not Alice's file".into()));
        }
        tell(&format!("opened and verified in {} ms", got.took.as_millis()));
        tell(&format!("SHA-256 on both sides: {sealed_from}"));
        Ok(got)
    }

    /// Looks for everything that the server must not know, and for every secret in any log.
    fn search(&self, parcels: &[&Parcel], codes: &[String]) -> Result<(), StageError> {
        let mut blind = Needles::default();
        for parcel in parcels {
            for mark in &parcel.marks {
                blind.add("content of the file", mark);
            }
            if let Some(name) = parcel.path.file_name() {
                blind.add_text("name of the file", &name.to_string_lossy());
            }
        }
        for person in [&self.alice, &self.bob] {
            blind.add_text(&format!("{}'s address", person.name), &person.address);
            blind.add_text(&format!("{}'s passphrase", person.name), &person.passphrase);
            let session = person.own_json("session.json")?;
            for token in ["access", "refresh"] {
                blind.add_text(&format!("{}'s {token} token", person.name), &text_at(&session, token)?);
            }
        }
        let data = &self.cluster.data;
        for secret in files_named(&data.join("secrets")) {
            let bytes = std::fs::read(&secret).doing("reading a secret of the server")?;
            blind.add_text("a secret of the server", String::from_utf8_lossy(bytes.trim_ascii()).as_ref());
        }
        let planted = blind.finds_planted_copies(&self.root.join("planted"))?;
        tell(&format!("the search finds a planted copy of each of its {planted} byte strings"));

        // The mail folder stands for a mailbox, `tls` and `secrets` are the server's own keys: the rest is
        // the database, the storage folders and the logs of all programs at their most talkative.
        let kept: Vec<PathBuf> = std::fs::read_dir(data)
            .doing("listing the servers' folder")?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| !["mail", "tls", "secrets"].iter().any(|name| path.ends_with(name)))
            .collect();
        let logs = self.root.join("logs");
        let mut places: Vec<&Path> = kept.iter().map(PathBuf::as_path).collect();
        places.push(&logs);
        let (found, searched) = blind.search(&places)?;
        if let Some(first) = found.first() {
            return Err(StageError::Broken(format!("{} stands in {}", first.what, first.path.display())));
        }
        // A code is too short to be told from chance in sealed bytes, but not in a log.
        for code in codes {
            for log in files_named(&logs) {
                if contains_number(&std::fs::read(&log).doing("reading a log")?, code) {
                    return Err(StageError::Broken(format!("a mailed code stands in {}", log.display())));
                }
            }
        }
        if searched.bytes < parcels.iter().map(|parcel| 2 * parcel.len).sum() {
            return Err(StageError::Unexpected("less was searched than was sent".into()));
        }
        tell(&format!(
            "nothing of it is in {} files, {}: storage folders, database, logs at their most talkative",
            searched.files,
            size(searched.bytes)
        ));
        Ok(())
    }

    fn sum_up(&self, parcel: &Parcel, sent: &Done, got: &Done) -> Result<(), StageError> {
        chapter("In short");
        let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
        let line = |who: &str, what: &str, done: &Done| {
            row([who, what, &size(parcel.len), &rate(parcel.len, done.took), &memory(done.peak)])
        };
        let mut rows = vec![
            row(["who", "what", "size", "rate", "peak memory"]),
            line("Alice", "wax send", sent),
            line("Bob", "wax get", got),
        ];
        for (name, part) in self.cluster.parts() {
            let what = if name == "balancer" { "waxd balance" } else { "waxd serve" };
            rows.push(row([&name, what, "", "", &memory(peak_of(part.pid))]));
        }
        table(&rows);
        Ok(())
    }

    fn desk(&self, name: &str) -> String {
        self.root.join("desk").join(name).to_string_lossy().into_owned()
    }
}

/// Starts `waxd cluster` where the book says that it listens, or elsewhere and says where.
fn start(waxd: &Path, root: &Path) -> Result<Cluster, StageError> {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let balancer = if is_free(BALANCER) { BALANCER } else { 0 };
    let servers = if SERVERS.into_iter().all(is_free) { SERVERS[0] } else { 0 };
    let (data, logs) = (root.join("server"), root.join("logs"));
    let options = ClusterOptions {
        waxd,
        data: &data,
        logs: &logs,
        ports: (balancer, servers),
        quiet: false,
        more: &[],
        dir: None,
    };
    let cluster = Cluster::start(&options, &[])?;
    tell(&format!("clients come to {}, ready after {} ms", cluster.url, cluster.started_in.as_millis()));
    if balancer == 0 {
        tell(&format!("(port {BALANCER} is taken by another program)"));
    }
    if servers == 0 {
        tell(&format!("(one of the ports {SERVERS:?} is taken by another program)"));
    }
    let mut rows = vec![["part", "address", "process", "keeps"].map(str::to_owned).to_vec()];
    for (n, (name, part)) in cluster.parts().into_iter().enumerate() {
        let keeps = if name == "balancer" {
            String::new()
        } else {
            format!("blobs-{n}, and one SQLite file with the others")
        };
        rows.push(vec![name, part.url, part.pid.to_string(), keeps]);
    }
    table(&rows);
    Ok(cluster)
}

/// Its servers, without the balancer.
fn servers_of(cluster: &Cluster) -> Vec<(String, stage::PartOfCluster)> {
    cluster.parts().into_iter().filter(|(name, _)| name != "balancer").collect()
}

/// The safety number that a person sees for a contact.
fn number_of(person: &Person, address: &str) -> Result<String, StageError> {
    let said = person.wax(&["contacts"])?.said;
    let rows = said.get("contacts").and_then(Value::as_array).cloned().unwrap_or_default();
    let row = rows.iter().find(|row| row.get("address").and_then(Value::as_str) == Some(address));
    text_at(row.unwrap_or(&Value::Null), "safety_number")
}

/// The plain files of a folder; none if it is not there.
fn files_named(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect()
}

/// Whether the digits stand in the text as a number of their own, not inside a longer one.
fn contains_number(text: &[u8], digits: &str) -> bool {
    text.split(|byte| !byte.is_ascii_alphanumeric()).any(|word| word == digits.as_bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_code_is_found_as_a_word_and_not_inside_a_longer_number() {
        assert!(super::contains_number(b"code=123456 sent", "123456"));
        assert!(!super::contains_number(b"at 1123456 ns", "123456"));
    }
}
