//! A server, Alice and Bob, signed up and ready.

use stage::{Person, Server, ServerOptions};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Two people of one server and the folder that all of it lies in.
pub struct Scene {
    /// Who sends.
    pub alice: Person,
    /// Who receives.
    pub bob: Person,
    /// Gone at the end, with everything in it.
    pub root: TempDir,
}

impl Scene {
    /// Signs both up at the server that `server` starts in the scene's folder.
    pub fn new(server: impl FnOnce(&Path) -> Server) -> (Self, Server) {
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

    /// A path in the scene's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The same as text, for a command line.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

/// A server whose data lies in the scene's folder; port 0 takes one that is free.
pub fn serve(root: &Path, port: u16) -> Server {
    let (data, logs) = (root.join("server"), root.join("logs"));
    let waxd = executable("waxd");
    Server::start(&ServerOptions { waxd: &waxd, data: &data, logs: &logs, port, quiet: false, more: &[] })
        .unwrap()
}

/// An example of this package, which is built with its tests.
pub fn example(name: &str) -> PathBuf {
    executable("wax").with_file_name("examples").join(name)
}

/// An executable of this build; the tests of its own package make cargo build it.
pub fn executable(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().unwrap().parent().unwrap().join(name);
    assert!(path.is_file(), "{} is not built: cargo build --workspace --bins", path.display());
    path
}
