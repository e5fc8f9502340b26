//! The record of pins at the server: read, merged, written back, so that a person's devices trust alike.

use super::Pins;
use crate::client::Inner;
use crate::contacts::LOCK;
use crate::hash::sha256;
use crate::seen::Seen;
use crate::{Address, Class, Client, Error, Result, Unlocked, UserId};
use envelope::pins::PinsLayout;
use format::SealError;
use format::pins::{PinRecord, open_pins, seal_pins};
use proto::{B64, Code, PinsReply, PutPins, limits, paths};
use reqwest::Method;
use serde::{Deserialize, Serialize};

const SHARED: &str = "shared.json";
/// How long what another device wrote may stay unread, in seconds.
const DUE: i64 = 600;
/// How often this device tries again when another one wrote at the same time.
const TRIES: usize = 8;

/// `shared.json`: the newest record that this device has read or written.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Shared {
    user_id: UserId,
    version: u64,
    /// SHA-256 of the record, and of what it says.
    record: B64,
    said: B64,
    /// Unix seconds of the last look.
    at: i64,
}

/// How to share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// If something changed here, or the last look is ten minutes old.
    WhenDue,
    /// Now.
    Now,
    /// Now, and if the server has lost or put back the record, write it anew from what is known here.
    Anew,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactsShared {
    /// Something was taken over from another device.
    pub changed_here: bool,
    /// Something was told to the others.
    pub told: bool,
    /// Of whom another device has pinned other keys than this one: nothing is sent to them until a person decides.
    pub disputed: Vec<Address>,
    /// Contacts that do not fit into the record any more; nothing was told.
    pub too_many: bool,
}

/// What the server has.
struct There {
    version: u64,
    digest: [u8; 32],
    /// Nothing if a root that was retired since has signed it.
    record: Option<PinRecord>,
}

impl Client {
    /// Brings contacts and revisions of this device and those of the person's other devices together.
    ///
    /// # Errors
    /// [`Error::OlderPins`] if the server shows an older record than this device has seen, [`Error::NotAuthentic`] if it
    /// shows one that is not the person's: nothing is taken over.
    pub async fn share_contacts(&self, me: &Unlocked, how: Share) -> Result<ContactsShared> {
        let inner = &self.inner;
        if how == Share::WhenDue && !inner.is_due(me)? {
            let disputed = Pins::load(&inner.home)?.disputed();
            return Ok(ContactsShared { disputed, ..ContactsShared::default() });
        }
        let (mut outcome, mut conflict) = (ContactsShared::default(), None);
        for _ in 0..TRIES {
            let there = inner.read_shared(me, how == Share::Anew).await?;
            if let Some(record) = there.as_ref().and_then(|there| there.record.as_ref()) {
                outcome.changed_here |= inner.take_over(record).await?;
            }
            let pins = Pins::load(&inner.home)?;
            outcome.disputed = pins.disputed();
            let before = there.as_ref().and_then(|there| there.record.as_ref());
            let told = PinRecord { revisions: Seen::load(&inner.home)?.told(), ..pins.told(before)? };
            match inner.write_shared(me, there.as_ref(), &told).await {
                Ok(wrote) => {
                    outcome.told |= wrote;
                    return Ok(outcome);
                }
                Err(error) if error.code() == Some(Code::Conflict) => conflict = Some(error),
                Err(Error::TooManyContacts) => {
                    outcome.too_many = true;
                    return Ok(outcome);
                }
                Err(error) => return Err(error),
            }
        }
        Err(conflict.unwrap_or(Error::Internal("sharing contacts was never tried")))
    }
}

impl Inner {
    /// The version of the newest record that this device knows of.
    pub(crate) fn shared_version(&self, user: UserId) -> Result<u64> {
        Ok(self.shared(user)?.map_or(0, |shared| shared.version))
    }

    fn shared(&self, user: UserId) -> Result<Option<Shared>> {
        Ok(self.home.read_json::<Shared>(SHARED)?.filter(|shared| shared.user_id == user))
    }

    fn is_due(&self, me: &Unlocked) -> Result<bool> {
        let Some(shared) = self.shared(me.user_id())? else { return Ok(true) };
        let pins = Pins::load(&self.home)?;
        let told = PinRecord { revisions: Seen::load(&self.home)?.told(), ..pins.told(None)? };
        let same = !pins.disputed().is_empty() || said(&told)?.is_none_or(|said| shared.said.0 == said);
        // A clock that was put back makes it due as well.
        Ok(!same || !(0..DUE).contains(&(self.now() - shared.at)))
    }

    async fn read_shared(&self, me: &Unlocked, anew: bool) -> Result<Option<There>> {
        let user = me.user_id();
        let known = self.shared(user)?;
        let floor = me.vault.identity.pins_version().max(known.as_ref().map_or(0, |known| known.version));
        let older = |found| if anew { Ok(()) } else { Err(Error::OlderPins { found, newest: floor }) };
        let reply = match self.call::<PinsReply>(|server| server.request(Method::GET, paths::PINS)).await {
            Ok(reply) => reply.record.0,
            Err(Error::NotFound) if floor == 0 => return Ok(None),
            Err(Error::NotFound) => return older(0).map(|()| None),
            Err(error) => return Err(error),
        };
        let layout = PinsLayout::parse(&reply).map_err(|_| Error::NotAuthentic)?;
        let (version, digest) = (layout.version(), sha256(&[&reply]));
        if layout.user_id() != user {
            return Err(Error::NotAuthentic);
        }
        let record = match open_pins(&me.vault.identity, user, &reply) {
            Ok((_, record)) => Some(record),
            // What a root that was given up has signed is written over and not believed.
            Err(_) if me.vault.identity.root_keys().any(|root| layout.verify(root).is_ok()) => None,
            Err(_) if anew => None,
            Err(_) => return Err(Error::NotAuthentic),
        };
        let same_number = known.as_ref().filter(|known| known.version == version);
        if version < floor || same_number.is_some_and(|known| known.record.0 != digest) {
            older(version)?;
        }
        Ok(Some(There { version, digest, record }))
    }

    /// Merges a record into what is here, and looks up whom only the other device has met.
    async fn take_over(&self, record: &PinRecord) -> Result<bool> {
        let mut changed = self.merge(record).await?;
        let pins = Pins::load(&self.home)?;
        let unmet: Vec<Address> = pins.expectations().map(|(address, _)| address.clone()).collect();
        self.meet(&unmet).await?;
        let disputed = pins.disputed();
        if !disputed.is_empty() && self.follow(&disputed).await? {
            // Their owner signed one root over to the other: now that this device knows it, there is no dispute.
            changed |= self.merge(record).await?;
        }
        Ok(changed)
    }

    async fn merge(&self, record: &PinRecord) -> Result<bool> {
        let _lock = self.lock(LOCK).await?;
        let mut pins = Pins::load(&self.home)?;
        let changed = pins.merge(record)?;
        if changed {
            pins.save(&self.home)?;
        }
        let mut seen = Seen::load(&self.home)?;
        seen.merge(&record.revisions);
        let raised = seen.is_changed();
        if raised {
            seen.save(&self.home)?;
        }
        Ok(changed || raised)
    }

    /// Whom the directory does not show, or shows wrongly, stays expected: the next use of that address says so.
    async fn meet(&self, unmet: &[Address]) -> Result<()> {
        for some in unmet.chunks(limits::LOOKUP_MAX) {
            let shown = match self.ask_directory(some).await {
                Ok(shown) => shown,
                Err(error) if error.class() == Class::Identity => continue,
                Err(error) => return Err(error),
            };
            for bundle in shown.values() {
                match self.judge_all(std::iter::once(bundle)).await {
                    Ok(judged) => self.pin_all(&judged).await?,
                    Err(error) if error.class() == Class::Identity => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Whether a pin of this device moved on by links of its owner.
    async fn follow(&self, disputed: &[Address]) -> Result<bool> {
        let shown = match self.ask_directory(disputed).await {
            Ok(shown) => shown,
            Err(error) if error.class() == Class::Identity => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut moved = false;
        for bundle in shown.values() {
            let judged = self.judge_disputed(bundle).await?;
            if let Some(judged) = judged {
                self.pin_all(&[(bundle.clone(), judged)]).await?;
                moved = true;
            }
        }
        Ok(moved)
    }

    /// Writes what is told, unless the server has just that. Says whether it wrote.
    async fn write_shared(&self, me: &Unlocked, there: Option<&There>, told: &PinRecord) -> Result<bool> {
        let user = me.user_id();
        let said = said(told)?.ok_or(Error::TooManyContacts)?;
        let note = |version, digest: &[u8; 32]| Shared {
            user_id: user,
            version,
            record: B64(digest.to_vec()),
            said: B64(said.to_vec()),
            at: self.now(),
        };
        if let Some(There { version, digest, record: Some(record) }) = there
            && record == told
            && self.shared_version(user)? <= *version
        {
            self.home.write_json(SHARED, &note(*version, digest))?;
            return Ok(false);
        }
        if there.is_none() && *told == PinRecord::default() && self.shared_version(user)? == 0 {
            return Ok(false);
        }
        let previous = there.map_or(0, |there| there.version);
        let version = previous.max(self.shared_version(user)?).max(me.vault.identity.pins_version()) + 1;
        let record = seal_pins(&me.vault.identity, user, version, told).map_err(|error| match error {
            SealError::TooLong => Error::TooManyContacts,
            _ => Error::Internal("contacts do not fit into a record"),
        })?;
        let digest = sha256(&[&record]);
        let body = PutPins { previous, record: B64(record) };
        self.authed(|server| server.request(Method::PUT, paths::PINS).json(&body)).await?;
        self.home.write_json(SHARED, &note(version, &digest))?;
        Ok(true)
    }
}

/// SHA-256 of what a record says; nothing if it does not fit into one.
fn said(record: &PinRecord) -> Result<Option<[u8; 32]>> {
    match record.encode() {
        Ok(plain) => Ok(Some(sha256(&[&plain]))),
        Err(SealError::TooLong) => Ok(None),
        Err(_) => Err(Error::Internal("contacts do not fit into a record")),
    }
}
