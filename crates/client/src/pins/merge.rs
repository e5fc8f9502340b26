//! What two devices know, brought together: nothing verified is lost, and where they contradict each other it is said.

use super::{Expected, Pin, Pins, Previous};
use crate::{Address, Result, RootId};
use format::pins::{MAX_PREVIOUS, PinRecord, PinnedContact};
use proto::B64;
use std::collections::BTreeMap;

/// Most forgotten contacts that are remembered as such; the newest stay.
const MAX_FORGOTTEN: usize = 500;

/// Two devices pinned keys that have nothing to do with each other.
struct Contradiction;

impl Pins {
    /// What this device tells the others. Of a contact that is disputed the record keeps what it had.
    pub(super) fn told(&self, before: Option<&PinRecord>) -> Result<PinRecord> {
        let mut contacts = BTreeMap::new();
        for (address, pin) in &self.pins {
            contacts.insert(address.clone(), known(pin)?);
        }
        contacts.extend(self.expected.iter().map(|(address, there)| (address.clone(), there.told())));
        for address in self.disputed.keys() {
            if let Some(there) = before.and_then(|before| before.contacts.get(address)) {
                contacts.insert(address.clone(), there.clone());
            }
        }
        Ok(PinRecord { contacts, forgotten: self.forgotten.clone(), revisions: BTreeMap::new() })
    }

    /// Takes over what another device knows. Says whether anything changed here.
    pub(super) fn merge(&mut self, record: &PinRecord) -> Result<bool> {
        let before = self.told(None)?;
        let disputed = std::mem::take(&mut self.disputed);
        for (address, at) in &record.forgotten {
            let newest = self.forgotten.entry(address.clone()).or_insert(*at);
            *newest = (*newest).max(*at);
        }
        let forgotten = &self.forgotten;
        let gone =
            |address: &Address, first_seen: i64| forgotten.get(address).is_some_and(|at| first_seen <= *at);
        self.pins.retain(|address, pin| !gone(address, pin.first_seen));
        self.expected.retain(|address, there| !gone(address, there.first_seen));
        for (address, theirs) in record.contacts.iter().filter(|(address, c)| !gone(address, c.first_seen)) {
            let mine = match (self.pins.get(address), self.expected.get(address)) {
                (Some(pin), _) => known(pin)?,
                (None, Some(expected)) => expected.told(),
                (None, None) => {
                    self.expected.insert(address.clone(), Expected::from(theirs));
                    continue;
                }
            };
            let both = match together(&mine, theirs) {
                Ok(both) => both,
                Err(Contradiction) => {
                    self.disputed.insert(address.clone(), theirs.root_id);
                    continue;
                }
            };
            match self.pins.get_mut(address) {
                Some(pin) if both.bundle_hash == mine.bundle_hash => pin.take_over(&both),
                // Another device has seen newer keys: those, and what follows them, are the only ones that count.
                _ => {
                    self.pins.remove(address);
                    self.expected.insert(address.clone(), Expected::from(&both));
                }
            }
        }
        self.forget_the_oldest();
        Ok(before != self.told(None)? || disputed != self.disputed)
    }

    /// Of whom the devices hold different keys.
    pub(super) fn disputed(&self) -> Vec<Address> {
        self.disputed.keys().cloned().collect()
    }

    fn forget_the_oldest(&mut self) {
        while self.forgotten.len() > MAX_FORGOTTEN {
            let oldest = self.forgotten.iter().min_by_key(|(_, at)| **at).map(|(address, _)| address.clone());
            oldest.and_then(|address| self.forgotten.remove(&address));
        }
    }
}

impl Pin {
    fn take_over(&mut self, both: &PinnedContact) {
        self.verified = both.verified;
        self.first_seen = both.first_seen;
        self.previous = previous(&both.previous);
    }
}

impl Expected {
    fn told(&self) -> PinnedContact {
        PinnedContact {
            user_id: self.user_id,
            root_id: self.root_id,
            seq: self.seq,
            bundle_hash: self.bundle_hash.0.as_slice().try_into().unwrap_or_default(),
            verified: self.verified,
            first_seen: self.first_seen,
            previous: self.previous.iter().map(|one| (one.root_id, one.linked)).collect(),
        }
    }
}

impl From<&PinnedContact> for Expected {
    fn from(contact: &PinnedContact) -> Self {
        Self {
            user_id: contact.user_id,
            root_id: contact.root_id,
            seq: contact.seq,
            bundle_hash: B64(contact.bundle_hash.to_vec()),
            verified: contact.verified,
            first_seen: contact.first_seen,
            previous: previous(&contact.previous),
        }
    }
}

fn previous(roots: &[(RootId, bool)]) -> Vec<Previous> {
    roots.iter().map(|(root_id, linked)| Previous { root_id: *root_id, linked: *linked }).collect()
}

fn known(pin: &Pin) -> Result<PinnedContact> {
    let bundle = pin.bundle()?;
    Ok(PinnedContact {
        user_id: bundle.user_id(),
        root_id: bundle.root_id(),
        seq: bundle.seq(),
        bundle_hash: bundle.hash(),
        verified: pin.verified,
        first_seen: pin.first_seen,
        previous: pin.previous.iter().take(MAX_PREVIOUS).map(|one| (one.root_id, one.linked)).collect(),
    })
}

/// One contact as two devices know it.
fn together(
    mine: &PinnedContact,
    theirs: &PinnedContact,
) -> std::result::Result<PinnedContact, Contradiction> {
    let left = |by: &PinnedContact, root: RootId| by.previous.iter().any(|(previous, _)| *previous == root);
    if mine.root_id != theirs.root_id {
        // One of them has left the other's root behind: it is the later one, and what it says of verification counts.
        return match (left(theirs, mine.root_id), left(mine, theirs.root_id)) {
            (true, false) => Ok(first_seen_by_either(theirs.clone(), mine)),
            (false, true) => Ok(first_seen_by_either(mine.clone(), theirs)),
            _ => Err(Contradiction),
        };
    }
    if mine.seq == theirs.seq && mine.bundle_hash != theirs.bundle_hash {
        return Err(Contradiction);
    }
    let (newer, older) = if theirs.seq > mine.seq { (theirs, mine) } else { (mine, theirs) };
    let mut both = first_seen_by_either(newer.clone(), older);
    both.verified |= older.verified;
    for root in &older.previous {
        if !both.previous.iter().any(|(known, _)| *known == root.0) && both.previous.len() < MAX_PREVIOUS {
            both.previous.push(*root);
        }
    }
    Ok(both)
}

fn first_seen_by_either(mut one: PinnedContact, other: &PinnedContact) -> PinnedContact {
    one.first_seen = one.first_seen.min(other.first_seen);
    one
}
