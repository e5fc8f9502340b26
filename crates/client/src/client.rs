//! The client: one person's home, one server, one session.

use crate::{Home, Result};
use std::time::Duration;

/// How a client behaves; the defaults are right for people, tests turn them.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// What is told to the server as the client's version, `wax/0.1.0`.
    pub agent: String,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a connection may stay silent.
    pub silence_timeout: Duration,
    /// How long transfers go on trying without network.
    pub retry_for: Duration,
    /// Parts on their way at once, 1 to 8.
    pub parts_at_once: usize,
    /// Bytes of one part for files (a power of two of 256 KiB, from 1 MiB); absent: chosen by the length.
    pub part_len: Option<u64>,
    /// The clock, unix seconds.
    pub now: fn() -> i64,
}

impl Default for ClientOptions {
    fn default() -> Self {
        todo_body()
    }
}

/// One person on one machine with one server. Cheap to clone; all clones share the session.
#[derive(Clone)]
pub struct Client {}

impl Client {
    /// Opens the home's state. No network. Works before a server is configured.
    pub fn open(home: Home, options: ClientOptions) -> Result<Self>;

    /// The home.
    pub fn home(&self) -> &Home;

    /// Remembers which server to use: an origin `https://host[:port]`, and the PEM certificate of its authority
    /// when it is not one that the system knows (then only that one is trusted). Another server than before ends
    /// the session here and keeps keys and pins.
    pub fn configure_server(&self, url: &str, ca_pem: Option<&str>) -> Result<()>;

    /// The configured origin.
    pub fn server(&self) -> Option<String>;

    /// Who is signed in here, without asking the server.
    pub fn signed_in(&self) -> Option<SignedIn>;

    // account.rs
    /// Asks for a code by mail. The answer is the same whether or not the address is known.
    pub async fn request_code(&self, address: &Address) -> Result<()>;
    /// Trades the six digits for a session; the first correct code makes the account.
    pub async fn sign_in(&self, address: &Address, code: &str) -> Result<SignedIn>;
    /// Ends the session here and at the server. Succeeds here even if the server is away (`false` then).
    pub async fn sign_out(&self) -> Result<bool>;
    /// What the server says of the account.
    pub async fn whoami(&self) -> Result<WhoAmI>;

    // keys.rs
    /// Whether keys are on this machine; no network.
    pub fn keys_state(&self) -> Result<KeysState>;
    /// Makes keys: sealed to disk first, then the public half is published.
    pub async fn create_keys(&self, passphrase: &Passphrase) -> Result<Unlocked>;
    /// Opens the keys on this machine and compares them with what the server shows for this account.
    pub async fn unlock(&self, passphrase: &Passphrase) -> Result<Unlocked>;
    /// The same with the vault key that an agent kept ([`Unlocked::vault_key`]).
    pub async fn unlock_with_key(&self, key: &VaultKey) -> Result<Unlocked>;
    /// Publishes the own bundle (again); idempotent.
    pub async fn publish_own_bundle(&self, me: &Unlocked) -> Result<()>;
    /// The own newest bundle, to hand to somebody; no network.
    pub fn own_bundle(&self) -> Result<Vec<u8>>;

    // contacts.rs
    /// Pins a bundle that was handed over by another way; `expected` is the address the person said.
    pub fn contacts_import(&self, bundle: &[u8], expected: &Address) -> Result<ImportedContact>;
    /// Everybody pinned, by address.
    pub fn contacts(&self) -> Result<Vec<Contact>>;
    /// Asks the directory, checks against the pins and pins first contacts. Answers in the order asked.
    pub async fn lookup(&self, addresses: &[Address]) -> Result<Vec<Contact>>;
    /// The number to compare with a contact; no network.
    pub fn safety_number(&self, address: &Address) -> Result<SafetyNumber>;
    /// Notes that a human compared the number.
    pub fn verify_contact(&self, address: &Address) -> Result<Contact>;
    /// After [`Error::IdentityChanged`]: takes the new keys if their safety number is `expected`.
    pub async fn accept_new_identity(&self, address: &Address, expected: &SafetyNumber) -> Result<Contact>;
    /// Forgets a contact; the next contact is a first one again. `false` if there was none.
    pub fn forget_contact(&self, address: &Address) -> Result<bool>;

    // send, receive, files
    /// Seals and sends. The same request again goes on where an earlier one stopped.
    pub async fn send(&self, me: &Unlocked, request: SendRequest, progress: &dyn Progress, cancel: &Cancel) -> Result<Sent>;
    /// Fetches, checks and opens. Nothing that does not verify is ever released; a file appears whole or not at all.
    pub async fn receive(&self, me: &Unlocked, file_id: FileId, target: Target, progress: &dyn Progress, cancel: &Cancel) -> Result<Received>;
    /// One page of files sent and received, newest first; only those that verify.
    pub async fn list(&self, me: &Unlocked, paging: FilePaging) -> Result<FileList>;
    /// One file.
    pub async fn info(&self, me: &Unlocked, file_id: FileId) -> Result<FileSummary>;
    /// The author removes the file for everybody; a recipient only gives up the own access.
    pub async fn remove(&self, me: &Unlocked, file_id: FileId) -> Result<Removed>;
    /// The author takes one recipient's access back.
    pub async fn revoke(&self, me: &Unlocked, file_id: FileId, address: &Address) -> Result<()>;
    /// Unfinished uploads that this machine can resume; no network.
    pub fn uploads(&self) -> Result<Vec<UnfinishedUpload>>;
    /// Gives an unfinished upload up, here and at the server.
    pub async fn abandon_upload(&self, file_id: FileId) -> Result<()>;
}
