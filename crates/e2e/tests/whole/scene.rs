//! A server, Alice and Bob, signed up and ready.

use stage::{Person, Server, ServerOptions};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) struct Scene {
    pub(crate) alice: Person,
    pub(crate) bob: Person,
    pub(crate) root: TempDir,
}

impl Scene {
    pub(crate) fn new(server: impl FnOnce(&Path) -> Server) -> (Self, Server) {
        let root = tempfile::tempdir().unwrap();
        let server = server(root.path());
        let wax = executable("wax");
        let alice = Person::new("Alice", "alice@lindenhof-law.example", &wax, root.path()).unwrap();
        let bob = Person::new("Bob", "bob@seaside-clinic.example", &wax, root.path()).unwrap();
        for person in [&alice, &bob] {
            person.sign_up(&server).unwrap();
        }
        (Self { alice, bob, root }, server)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

/// A server whose data lies in the scene's folder; port 0 takes one that is free.
pub(crate) fn serve(root: &Path, port: u16) -> Server {
    let (data, logs) = (root.join("server"), root.join("logs"));
    let waxd = executable("waxd");
    Server::start(&ServerOptions { waxd: &waxd, data: &data, logs: &logs, port, quiet: false, more: &[] })
        .unwrap()
}

/// An executable of this build; the tests of its own package make cargo build it.
pub(crate) fn executable(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().unwrap().parent().unwrap().join(name);
    assert!(path.is_file(), "{} is not built: cargo build --workspace --bins", path.display());
    path
}
