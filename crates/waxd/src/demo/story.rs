//! The story itself: sign up, exchange bundles, send, get, compare, search, sum up.

use super::DemoArgs;
use super::narrate::{chapter, memory, rate, say, size, table, tell};
use serde_json::Value;
use stage::{Doing, Done, Needles, Parcel, Person, Server, ServerOptions, StageError, sha256_of, text_at};
use std::path::{Path, PathBuf};

/// Everything that the story needs: folders, a server that runs, two people.
pub(super) struct Cast {
    alice: Person,
    bob: Person,
    server: Server,
    wax: PathBuf,
    root: PathBuf,
}

impl Cast {
    /// Makes the folders and starts the server.
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
        say("Waxwing: a file is sealed by Alice, kept by a server that cannot read it, opened by Bob");
        chapter("A server starts");
        let waxd = std::env::current_exe().doing("finding waxd itself")?;
        let (data, logs) = (root.join("server"), root.join("logs"));
        let server = Server::start(&ServerOptions {
            waxd: &waxd,
            data: &data,
            logs: &logs,
            port: 0,
            quiet: false,
            more: &[],
        })?;
        tell(&format!(
            "{} is ready after {} ms, with a database and a folder of its own",
            server.url,
            server.started_in.as_millis()
        ));
        let alice = Person::new("Alice", "alice@lindenhof-law.example", &wax, &root)?;
        let bob = Person::new("Bob", "bob@seaside-clinic.example", &wax, &root)?;
        Ok(Self { alice, bob, server, wax, root })
    }

    /// Plays the whole way once.
    pub(super) fn play(&self, args: &DemoArgs) -> Result<(), StageError> {
        chapter("Alice and Bob sign up");
        let mut codes = Vec::new();
        for person in [&self.alice, &self.bob] {
            codes.push(person.sign_up(&self.server)?);
            tell(&format!("{} proved {} with a mailed code and made keys", person.name, person.address));
        }
        chapter("They exchange their public bundles and compare the safety number");
        self.exchange()?;
        chapter("Alice sends a file to Bob");
        let parcel = self.parcel(args)?;
        let (file_id, sent) = self.send(&parcel)?;
        chapter("Bob gets it");
        let got = self.get(&file_id, &parcel)?;
        chapter("What the server kept is searched");
        self.search(&parcel, &codes)?;
        self.sum_up(&parcel, &sent, &got);
        Ok(())
    }

    /// Leaves everything running until Ctrl-C.
    pub(super) fn stay(&self) -> Result<(), StageError> {
        chapter("The system stays up; press Ctrl-C to end it. To try it yourself:");
        let server = &self.server;
        tell(&format!(
            "{} --home /tmp/carol login carol@office.example --server {} --ca {}",
            self.wax.display(),
            server.url,
            server.ca.display()
        ));
        tell(&format!("the codes that it mails are in {}", server.data.join("mail").display()));
        tell(&format!("Bob's files: {} --home {} ls", self.wax.display(), self.bob.home.display()));
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
        let Self { alice, bob, server, root, .. } = self;
        drop((alice, bob, server));
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
            None => {
                let name =
                    format!("settlement-draft-{}.pdf", &uuid::Uuid::new_v4().simple().to_string()[..8]);
                Parcel::make(Path::new(&self.desk(&name)), args.size * 1_000_000)?
            }
        };
        tell(&format!(
            "the file has {}, and {} marks to look for later",
            size(parcel.len),
            parcel.marks.len()
        ));
        Ok(parcel)
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
    fn search(&self, parcel: &Parcel, codes: &[String]) -> Result<(), StageError> {
        let mut blind = Needles::default();
        for mark in &parcel.marks {
            blind.add("content of the file", mark);
        }
        if let Some(name) = parcel.path.file_name() {
            blind.add_text("name of the file", &name.to_string_lossy());
        }
        for person in [&self.alice, &self.bob] {
            blind.add_text(&format!("{}'s address", person.name), &person.address);
            blind.add_text(&format!("{}'s passphrase", person.name), &person.passphrase);
            let session = person.own_json("session.json")?;
            for token in ["access", "refresh"] {
                blind.add_text(&format!("{}'s {token} token", person.name), &text_at(&session, token)?);
            }
        }
        let server = &self.server;
        for secret in files_named(&server.data.join("secrets")) {
            let bytes = std::fs::read(&secret).doing("reading a secret of the server")?;
            blind.add_text("a secret of the server", String::from_utf8_lossy(bytes.trim_ascii()).as_ref());
        }
        let planted = blind.finds_planted_copies(&self.root.join("planted"))?;
        tell(&format!("the search finds a planted copy of each of its {planted} byte strings"));

        // The mail folder stands for a mailbox, `tls` and `secrets` are the server's own keys: the rest is
        // the database, the storage folder and the logs of all three programs at their most talkative.
        let kept: Vec<PathBuf> = std::fs::read_dir(&server.data)
            .doing("listing the server's folder")?
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
        if searched.bytes < parcel.len {
            return Err(StageError::Unexpected("less was searched than was sent".into()));
        }
        tell(&format!(
            "nothing of it is in {} files, {}: storage, database, debug logs",
            searched.files,
            size(searched.bytes)
        ));
        Ok(())
    }

    fn sum_up(&self, parcel: &Parcel, sent: &Done, got: &Done) {
        chapter("In short");
        let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
        let line = |who: &str, what: &str, done: &Done| {
            row([who, what, &size(parcel.len), &rate(parcel.len, done.took), &memory(done.peak)])
        };
        table(&[
            row(["who", "what", "size", "rate", "peak memory"]),
            line("Alice", "wax send", sent),
            line("Bob", "wax get", got),
            row(["server", "waxd serve", "", "", &memory(self.server.peak())]),
        ]);
    }

    fn desk(&self, name: &str) -> String {
        self.root.join("desk").join(name).to_string_lossy().into_owned()
    }
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
