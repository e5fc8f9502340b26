//! The home: one person's state on one machine.

/// A folder (0700) with the server, the session, the sealed keys, the pins and the journals (0600).
#[derive(Clone, Debug)]
pub struct Home {}

impl Home {
    /// Opens the folder, makes it if it is not there. Refuses what others can read, naming the `chmod` to run.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self>;
    /// The folder.
    pub fn path(&self) -> &Path;
    /// Where an agent's socket goes.
    pub fn agent_socket(&self) -> PathBuf;
}
