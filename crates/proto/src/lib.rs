//! The wire: what a client and a server of Waxwing say to each other, and nothing else.
//!
//! JSON over HTTPS under [`paths::PREFIX`]; ids in their canonical text form, binary fields as base64url
//! without padding ([`B64`]), times as unix seconds. Parts, trees and leaves travel as raw octets.
//! Unknown fields of replies are ignored (servers may add), unknown fields of requests are refused.

mod activity;
mod auth;
mod binary;
mod cids;
mod directory;
mod drop_box;
mod factor;
mod file;
pub mod headers;
pub mod limits;
mod link;
pub mod live;
mod member;
mod passkey;
pub mod paths;
mod pins;
mod problem;
mod share;
mod upload;
pub mod v0;
mod vault;

pub use activity::{ActivityEvent, ActivityPage, Heads, LogState, PostReceipt, Receipt, SignedHead};
pub use auth::{
    BrowserRefreshRequest, BrowserSession, CodeRequest, LogoutRequest, RefreshRequest, SessionReply,
    SessionRequest, Token, WhoAmI,
};
pub use binary::{B64, B64Error};
pub use cids::{Cid, CidsQuery, NoCid, PartCid, PartCids};
pub use directory::{
    Chain, Lookup, LookupReply, MyBundle, PendingReset, Person, PublishBundle, Published, StopReset,
};
pub use drop_box::{BoxInfo, BoxList, BoxView, MakeBox};
pub use envelope::audit::{Head, Kind, Link};
pub use envelope::drop_box::BoxId;
pub use envelope::ids::{ContentId, EventId, FileId, RecipientId, RootId, UserId};
pub use envelope::link::LinkId;
pub use factor::{
    BackupCodes, FactorProof, FactorRequest, SecondFactor, SecondFactorRequest, SessionInfo, SessionList,
    SessionsEnded, SignIn, TotpConfirm, TotpSecret,
};
pub use file::{
    FileChanges, FileInfo, FilePage, FileQuery, Health, ReplaceGrant, Role, Ticket, TicketRequest,
};
pub use link::{ChangeLink, LinkFile, LinkInfo, LinkList, LinkNonce, MakeLink, OpenLink, OpenedLink};
pub use live::{LiveEvent, LiveKind, Notify};
pub use member::{MemberInfo, MemberList, MembersRequest};
pub use passkey::{
    CeremonyBegun, CeremonyEnd, PasskeyAdded, PasskeyInfo, PasskeyList, PasskeyRename, PasskeyRequest,
    PasskeySecondEnd, PasskeySecondRequest, PasskeySignIn,
};
pub use pins::{PinsReply, PutPins};
pub use problem::{Code, Problem};
pub use share::{ChangeFile, FileTerms, Holder, PassedBy, Rename, Share, Shared, Stopped};
pub use upload::{
    AskDirect, Batch, BatchFile, BatchReply, Begin, Complete, Completed, ConfirmDirect, DirectPlace, GrantTo,
    PartRecord, UploadList, UploadStatus,
};
pub use vault::{PutVault, RemoveVault, VaultReply};

/// Seconds since 1970-01-01T00:00:00Z.
pub type UnixSeconds = i64;
