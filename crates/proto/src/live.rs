//! What people are told of while they watch, and whether letters tell them of files.

use envelope::ids::FileId;
use serde::{Deserialize, Serialize};

/// One message of [`crate::paths::EVENTS`]. It says that something happened and where to look, by ids alone.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct LiveEvent {
    /// Where to go on after this message, at any server over the same database.
    pub cursor: String,
    /// What.
    pub kind: LiveKind,
    /// The file that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_id: Option<FileId>,
    /// Of [`LiveKind::Activity`] the kind of the event; of [`LiveKind::Ended`] why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
}

/// What a message tells.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LiveKind {
    /// The first message: from here on everything is told.
    Begun,
    /// The first message in the place of [`LiveKind::Begun`]: the cursor did not hold, so look at everything again.
    Restarted,
    /// A file came into the list.
    FileArrived,
    /// A file in the list changed.
    FileChanged,
    /// A file left the list.
    FileGone,
    /// There is a new event of activity, such as `link_opened` or `box_arrival`.
    Activity,
    /// The last message, with `what` one of `session_ended`, `token_ended`, `stopping`.
    Ended,
    /// Of a newer server: something, somewhere.
    #[serde(other)]
    Unknown,
}

/// `what` of [`LiveKind::Ended`]: the session is over, or the account is not served any more.
pub const SESSION_ENDED: &str = "session_ended";
/// `what` of [`LiveKind::Ended`]: the access token is too old; go on with a new one.
pub const TOKEN_ENDED: &str = "token_ended";
/// `what` of [`LiveKind::Ended`]: the server stops; go on at it or another.
pub const STOPPING: &str = "stopping";

/// The subprotocol that a browser names beside its token.
pub const PROTOCOL: &str = "waxwing.v1";
/// What stands before the access token in a browser's list of subprotocols, for browsers set no other header.
pub const PROTOCOL_TOKEN: &str = "waxwing.token.";

/// `GET` and `PUT` of [`crate::paths::NOTIFY`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// Whether a letter tells the person that somebody shared a file, or sent one into a drop box.
    pub mail: bool,
}
