//! The client library: session, directory and pins, send, receive, resume.
//!
//! Everything a face (command line, desktop) needs hangs on [`Client`]: it knows one person's [`Home`] on one
//! machine and one server. Verbs that touch keys take an [`Unlocked`], which [`Client::unlock`] gives.
//!
//! ```text
//! let client = Client::open(Home::open(&path)?, ClientOptions::default())?;
//! client.configure_server("https://files.example", None)?;
//! client.request_code(&address).await?;
//! client.sign_in(&address, "123456").await?;
//! let me = client.create_keys(&passphrase, Some(&phrase)).await?;          // or client.unlock(&passphrase).await?
//! let sent = client.send(&me, SendRequest::file(path, vec![bob]), &Quiet, &Cancel::new()).await?;
//! let got = client.receive(&me, sent.file_id, Target::directory("."), &Quiet, &Cancel::new()).await?;
//! ```
//!
//! All futures must run on a multi-threaded tokio runtime. Dropping one stops the verb; what it wrote to a
//! temporary file is removed, what it uploaded stays and is resumed by the same [`SendRequest`].

mod error;
mod progress;

mod account;
mod activity;
mod boxes;
mod cids;
mod client;
mod contacts;
mod container;
mod downloads;
mod factors;
mod files;
mod hash;
mod hint;
mod home;
mod http;
mod index;
mod invitation;
mod keys;
mod leaving;
mod links;
mod live;
mod log;
mod opener;
mod pins;
mod pool;
mod preview;
mod receipts;
mod receive;
mod seen;
mod send;
mod sharing;
mod signed;
mod signers;
mod store;
mod v0;

pub use account::{HalfSignIn, SignIn, SignedIn, WhoAmI, clock_warning};
pub use activity::{Activity, ActivityEvent, ActivityFilter, Party};
pub use boxes::{BoxVisit, BoxWish, Boxes, DropBox};
pub use cids::PublishedPart;
pub use client::{Client, ClientOptions};
pub use contacts::{Contact, ImportedContact};
pub use container::{
    Author, ContainerKey, OpenContainer, Opened, Recipient as ContainerRecipient, SealContainer,
    SealedContainer,
};
pub use envelope::{Address, ParseError};
pub use error::{Class, Error, FileError, IdentityChange, LogFault};
pub use factors::{Offered, OpenSession, OwnPasskey};
pub use files::{
    FileList, FilePaging, FileSummary, Holder, Recipient, Removed, Role, Sender, Trust, UnfinishedUpload,
};
pub use format::drop_box::BoxAddress;
pub use format::link::LinkAddress;
pub use format::metadata::Preview;
pub use format::passphrase::{MIN_SCORE_LOCAL, Passphrase, Score, strength};
pub use format::phrase::{PhraseError, RecoveryPhrase};
pub use format::rsa::{RsaBits, RsaKeyError, RsaPrivateKey, RsaPublicKey};
pub use format::safety::{SafetyNumber, safety_number};
pub use format::secret::{Secret, VaultKey};
pub use home::Home;
pub use index::{IndexFault, ListQuery, Listing, Sort};
pub use keys::{BackupState, KeptKeyFile, KeysState, RestoreWith, Rewrapped, Unlocked};
pub use links::{Link, LinkLimits};
pub use live::{Happened, Happening, Watch};
pub use pins::{ContactsShared, Share};
pub use preview::{PREVIEW_LEN, PREVIEW_SIDE, Picture};
pub use progress::{Cancel, Note, Phase, Progress, Quiet};
pub use proto::{
    BoxId, Cid, EventId, FileId, Head as LogHead, Kind as EventKind, LinkId, RecipientId, RootId, Token,
    UserId,
};
pub use receipts::{Receipt, ReceiptState};
pub use receive::{
    FolderReceived, InFolder, NoHead, OnConflict, OnReceived, Pattern, ReceiveAll, Received, SavedHead,
    Target,
};
pub use send::{Compress, OnSent, SendFolder, SendMany, SendRequest, Sent, SentFolder, Skipped, Source};
pub use sharing::{FileTerms, ShareWith, SharedFile, Stopped};
pub use v0::{OnReceivedV0, ReceivedV0, SendV0, SentV0, V0Opener, V0Summary};

/// What every verb gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;
