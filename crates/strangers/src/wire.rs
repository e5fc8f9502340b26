//! JSON as it comes from the other side: what reads is written and read again without a change.

use proto::{
    B64, Begin, Chain, Code, CodeRequest, Complete, Completed, FileInfo, FilePage, GrantTo, Health,
    LogoutRequest, Lookup, LookupReply, MemberList, MembersRequest, PartCids, PartRecord, Problem,
    PublishBundle, Published, RefreshRequest, SessionReply, SessionRequest, Ticket, TicketRequest,
    UploadList, UploadStatus, WhoAmI,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One byte chooses the kind, the rest is the JSON.
macro_rules! kinds {
    ($data:ident, $($kind:ty),* $(,)?) => {{
        let Some((choice, json)) = $data.split_first() else { return };
        let kinds: &[fn(&[u8])] = &[$(same_value::<$kind>,)*];
        kinds[usize::from(*choice) % kinds.len()](json);
    }};
}

/// What a client sends.
pub fn requests(data: &[u8]) {
    kinds!(
        data,
        Begin,
        CodeRequest,
        Complete,
        GrantTo,
        LogoutRequest,
        Lookup,
        PublishBundle,
        RefreshRequest,
        SessionRequest,
        TicketRequest,
        MembersRequest,
    );
}

/// What a server answers.
pub fn replies(data: &[u8]) {
    kinds!(
        data,
        Chain,
        Completed,
        FileInfo,
        FilePage,
        Health,
        LookupReply,
        PartRecord,
        Published,
        SessionReply,
        Ticket,
        UploadList,
        UploadStatus,
        WhoAmI,
        MemberList,
        PartCids,
    );
}

/// The document that comes with every refusal; a code that is not known reads as one that is.
pub fn problem(data: &[u8]) {
    same_value::<Problem>(data);
    if let Ok(problem) = serde_json::from_slice::<Problem>(data) {
        assert!(Code::ALL.contains(&problem.code));
    }
}

/// A binary field has one spelling.
pub fn base64(data: &[u8]) {
    let written = B64(data.to_vec()).to_text();
    assert_eq!(B64::parse(&written).map(|read| read.0).as_deref(), Ok(data));
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(read) = B64::parse(text) {
        assert_eq!(read.to_text(), text);
    }
}

fn same_value<T: Serialize + DeserializeOwned>(json: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(json) else { return };
    let text = serde_json::to_vec(&value).expect("what was read can be written");
    let again: T = serde_json::from_slice(&text).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(&again).expect("what was read can be written"), text);
    // Through a tree of values too, as the tests of the server read replies.
    let tree = serde_json::to_value(&value).expect("what was read can be written");
    let again: T = serde_json::from_value(tree).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(&again).expect("what was read can be written"), text);
}
