//! The personal fields of events, each person's under a key of their own: erasure destroys the key and not the chain.

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use db::StoredEvent;
use envelope::ids::{EventId, UserId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Answer, Refusal};
use crate::secrets;
use crate::state::App;

/// What an event says beyond ids, kind and time. Never a name, an address of any kind, or content.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Personal {
    /// What the client called itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<String>,
    /// By what the person signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) means: Option<String>,
}

/// The key of one person, ready.
pub(crate) struct PersonalKey(RandomizedNonceKey);

impl PersonalKey {
    /// The key of a person, made if there is none.
    pub(crate) async fn of(app: &App, user: UserId) -> Answer<Self> {
        let sealed = match app.db.audit_key(user).await? {
            Some(sealed) => sealed,
            None => {
                let fresh: Zeroizing<[u8; 32]> = Zeroizing::new(crate::random::bytes());
                app.db.keep_audit_key(user, app.keys.seal_audit_key(user, &fresh)).await?
            }
        };
        Self::open(app, user, sealed)
    }

    /// The key of a person, if they have one.
    pub(crate) async fn existing(app: &App, user: UserId) -> Answer<Option<Self>> {
        app.db.audit_key(user).await?.map(|sealed| Self::open(app, user, sealed)).transpose()
    }

    fn open(app: &App, user: UserId, sealed: Vec<u8>) -> Answer<Self> {
        let key = app.keys.open_audit_key(user, sealed).ok_or_else(|| Refusal::internal(Unreadable))?;
        Ok(Self::from_bytes(&key))
    }

    fn from_bytes(key: &[u8; 32]) -> Self {
        Self(RandomizedNonceKey::new(&AES_256_GCM, key).expect("32 bytes are an AES-256 key"))
    }

    /// Seals the fields of an event, bound to it and its actor; nothing where there is nothing to say.
    pub(crate) fn seal(&self, id: EventId, actor: UserId, personal: &Personal) -> Vec<u8> {
        if *personal == Personal::default() {
            return Vec::new();
        }
        let plain = serde_json::to_vec(personal).expect("two texts always have a JSON form");
        secrets::seal(&self.0, &place(id, actor), &plain)
    }

    /// The fields of an event; none where they do not open, as after an erasure.
    pub(crate) fn read(&self, event: &StoredEvent) -> Personal {
        let plain = secrets::open(&self.0, &place(event.id, event.actor), event.sealed.clone());
        plain.and_then(|plain| serde_json::from_slice(&plain).ok()).unwrap_or_default()
    }
}

fn place(id: EventId, actor: UserId) -> [u8; 32] {
    let mut place = [0; 32];
    place[..16].copy_from_slice(id.as_bytes());
    place[16..].copy_from_slice(actor.as_bytes());
    place
}

/// The row was sealed with another `SECRET_KEY` than today's.
#[derive(Debug, thiserror::Error)]
#[error("a stored audit key does not open: SECRET_KEY is not the one it was sealed with")]
struct Unreadable;

#[cfg(test)]
mod tests {
    use db::UnixTime;

    use super::*;

    fn stored(id: u8, actor: u8, sealed: Vec<u8>) -> StoredEvent {
        StoredEvent {
            n: 1,
            id: EventId::from_bytes([id; 16]),
            at: UnixTime(0),
            kind: "signed_in".to_owned(),
            actor: UserId::from_bytes([actor; 16]),
            owner: None,
            file_id: None,
            other: None,
            sealed,
            batch: None,
        }
    }

    #[test]
    fn personal_fields_open_only_under_their_key_and_in_their_event() {
        let (key, other) = (PersonalKey::from_bytes(&[1; 32]), PersonalKey::from_bytes(&[2; 32]));
        let personal = Personal { agent: Some("wax/1.2.3".to_owned()), means: Some("code".to_owned()) };
        let sealed = key.seal(EventId::from_bytes([3; 16]), UserId::from_bytes([4; 16]), &personal);
        assert!(!sealed.windows(3).any(|bytes| bytes == b"wax"));
        assert!(key.read(&stored(3, 4, sealed.clone())) == personal);
        for (key, id, actor) in [(&other, 3, 4), (&key, 4, 4), (&key, 3, 3)] {
            assert!(key.read(&stored(id, actor, sealed.clone())) == Personal::default());
        }
        assert!(
            key.seal(EventId::from_bytes([3; 16]), UserId::from_bytes([4; 16]), &Personal::default())
                .is_empty()
        );
    }
}
