//! Pins: which keys belong to which address, and what a server may say about them from then on.

mod merge;
mod share;

use crate::{Address, Error, Home, Result, RootId, UserId};
use envelope::Bundle;
use envelope::bundle::{ChainError, verify_chain};
use proto::B64;
use serde::{Deserialize, Serialize};
pub use share::{ContactsShared, Share};
use std::collections::BTreeMap;

const PINS: &str = "pins.json";
const VERSION: u32 = 1;

/// What is known of one address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pin {
    /// The newest bundle that was accepted.
    bundle: B64,
    pub(crate) verified: bool,
    pub(crate) first_seen: i64,
    /// Roots pinned before, newest first, with how they were left.
    #[serde(default)]
    pub(crate) previous: Vec<Previous>,
}

/// A root that was pinned before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Previous {
    pub(crate) root_id: RootId,
    /// Its owner signed the next one over; otherwise a human accepted the change.
    pub(crate) linked: bool,
}

/// What another device of the same person has pinned, and this one has not seen yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Expected {
    pub(crate) user_id: UserId,
    pub(crate) root_id: RootId,
    pub(crate) seq: u32,
    pub(crate) bundle_hash: B64,
    pub(crate) verified: bool,
    pub(crate) first_seen: i64,
    pub(crate) previous: Vec<Previous>,
}

/// All pins of a home.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pins {
    version: u32,
    pins: BTreeMap<Address, Pin>,
    /// Pinned by another device; no bundle is here yet.
    #[serde(default)]
    expected: BTreeMap<Address, Expected>,
    /// Forgotten on purpose, and when.
    #[serde(default)]
    forgotten: BTreeMap<Address, i64>,
    /// Of whom another device has pinned other keys than this one: that root.
    #[serde(default)]
    disputed: BTreeMap<Address, RootId>,
}

/// What a genuine bundle means against what is pinned.
#[derive(Clone, Debug)]
pub(crate) enum Judged {
    /// Nothing is pinned yet.
    First,
    /// Nothing is pinned here, and it is what another device has pinned, or what came of that.
    Expected,
    /// Exactly what is pinned.
    Same,
    /// A successor; `root_changed` when the old root signed a new one over.
    Successor { root_changed: bool },
    /// The successor may be genuine, but bundles in between are needed: from this number on.
    ChainNeeded { from: u32 },
    /// Another root that nothing links to the pinned one.
    NewPerson { old: RootId },
    /// The pinned root, but an older bundle, or another one of the same number.
    Contradiction,
}

/// Parses and checks what is said to be the bundle of `address`.
pub(crate) fn genuine(bytes: &[u8], address: &Address) -> Result<Bundle> {
    let not_genuine = || Error::IdentityNotGenuine(address.clone());
    let bundle = Bundle::parse(bytes).map_err(|_| not_genuine())?;
    bundle.verify().map_err(|_| not_genuine())?;
    if bundle.address() == address { Ok(bundle) } else { Err(not_genuine()) }
}

impl Pin {
    fn first(bundle: &Bundle, now: i64) -> Self {
        Self {
            bundle: B64(bundle.as_bytes().to_vec()),
            verified: false,
            first_seen: now,
            previous: Vec::new(),
        }
    }

    /// The pinned bundle. It was checked before it was pinned.
    pub(crate) fn bundle(&self) -> Result<Bundle> {
        Bundle::parse(self.bundle.0.as_slice()).map_err(|_| Error::HomeDamaged(PINS.into()))
    }

    /// Judges a bundle that [`genuine`] has passed. `chain`: the bundles after the pinned one, if they were fetched.
    pub(crate) fn judge(&self, shown: &Bundle, chain: Option<&[Bundle]>) -> Result<Judged> {
        let pinned = self.bundle()?;
        if pinned.as_bytes() == shown.as_bytes() {
            return Ok(Judged::Same);
        }
        let same_root = pinned.root_id() == shown.root_id();
        let broken = || {
            if same_root { Judged::Contradiction } else { Judged::NewPerson { old: pinned.root_id() } }
        };
        if shown.seq() <= pinned.seq() {
            return Ok(broken());
        }
        let mut whole = vec![pinned.clone()];
        match chain {
            Some(chain) => whole.extend_from_slice(chain),
            None if shown.seq() == pinned.seq() + 1 => whole.push(shown.clone()),
            None => return Ok(Judged::ChainNeeded { from: pinned.seq() + 1 }),
        }
        let ends_there = whole.last().is_some_and(|last| last.as_bytes() == shown.as_bytes());
        match verify_chain(&whole) {
            Ok(()) if ends_there => Ok(Judged::Successor { root_changed: !same_root }),
            Err(ChainError::UnlinkedRoot) => Ok(Judged::NewPerson { old: pinned.root_id() }),
            _ => Ok(broken()),
        }
    }

    /// Takes a successor that was judged to be one.
    fn advance(&mut self, shown: &Bundle) -> Result<()> {
        let before = self.bundle()?.root_id();
        if before != shown.root_id() {
            self.previous.insert(0, Previous { root_id: before, linked: true });
        }
        self.bundle = B64(shown.as_bytes().to_vec());
        Ok(())
    }
}

impl Expected {
    /// Judges a bundle that [`genuine`] has passed. `chain`: the bundles from the expected one on, if they were fetched.
    pub(crate) fn judge(&self, shown: &Bundle, chain: Option<&[Bundle]>) -> Judged {
        let is_it = |bundle: &Bundle| bundle.hash().as_slice() == self.bundle_hash.0.as_slice();
        let broken = || match self.root_id == shown.root_id() {
            true => Judged::Contradiction,
            false => Judged::NewPerson { old: self.root_id },
        };
        if is_it(shown) {
            return Judged::Expected;
        }
        if shown.seq() <= self.seq {
            return broken();
        }
        let Some(chain) = chain else { return Judged::ChainNeeded { from: self.seq } };
        let begins = chain.first().is_some_and(is_it);
        let ends = chain.last().is_some_and(|last| last.as_bytes() == shown.as_bytes());
        if begins && ends && verify_chain(chain).is_ok() { Judged::Expected } else { broken() }
    }
}

impl Pins {
    pub(crate) fn load(home: &Home) -> Result<Self> {
        let pins: Option<Self> = home.read_json(PINS)?;
        match pins {
            None => Ok(Self {
                version: VERSION,
                pins: BTreeMap::new(),
                expected: BTreeMap::new(),
                forgotten: BTreeMap::new(),
                disputed: BTreeMap::new(),
            }),
            Some(pins) if pins.version == VERSION => Ok(pins),
            Some(_) => Err(Error::HomeDamaged(home.path().join(PINS))),
        }
    }

    pub(crate) fn save(&self, home: &Home) -> Result<()> {
        home.write_json(PINS, self)
    }

    pub(crate) fn pin(&self, address: &Address) -> Option<&Pin> {
        self.pins.get(address)
    }

    /// Notes that a human compared the safety number. `false` if nobody is pinned under that address.
    pub(crate) fn verify(&mut self, address: &Address) -> bool {
        if let Some(pin) = self.pins.get_mut(address) {
            pin.verified = true;
        } else if let Some(expected) = self.expected.get_mut(address) {
            expected.verified = true;
        } else {
            return false;
        }
        true
    }

    /// Whether a human compared the safety number, on whichever device.
    pub(crate) fn is_verified(&self, address: &Address) -> bool {
        let here = self.pins.get(address).map(|pin| pin.verified);
        here.or(self.expected.get(address).map(|expected| expected.verified)).unwrap_or(false)
    }

    /// The root that counts for an address, pinned here or by another device.
    pub(crate) fn root_of(&self, address: &Address) -> Result<Option<RootId>> {
        match self.pins.get(address) {
            Some(pin) => pin.bundle().map(|bundle| Some(bundle.root_id())),
            None => Ok(self.expected.get(address).map(|expected| expected.root_id)),
        }
    }

    /// Whom another device has pinned and this one has not met.
    pub(crate) fn expectations(&self) -> impl Iterator<Item = (&Address, &Expected)> {
        self.expected.iter()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Address, &Pin)> {
        self.pins.iter()
    }

    /// What another device has pinned for an address that has no pin here.
    pub(crate) fn expected(&self, address: &Address) -> Option<&Expected> {
        self.expected.get(address)
    }

    /// Whether another device has pinned other keys.
    pub(crate) fn is_disputed(&self, address: &Address) -> bool {
        self.disputed.contains_key(address)
    }

    /// Forgets a contact, here and on the other devices.
    pub(crate) fn remove(&mut self, address: &Address, now: i64) -> bool {
        let pinned = self.pins.remove(address).map(|pin| pin.first_seen);
        let expected = self.expected.remove(address).map(|expected| expected.first_seen);
        self.disputed.remove(address);
        let Some(first_seen) = pinned.or(expected) else { return false };
        self.forgotten.insert(address.clone(), now.max(first_seen));
        true
    }

    /// When somebody is met for the first time: never before they were forgotten.
    fn first_seen(&self, address: &Address, now: i64) -> i64 {
        self.forgotten.get(address).map_or(now, |at| now.max(at.saturating_add(1)))
    }

    /// The address of an account, if one of its bundles is pinned.
    pub(crate) fn address_of(&self, user: UserId) -> Option<&Address> {
        self.pins
            .iter()
            .find(|(_, pin)| pin.bundle().is_ok_and(|bundle| bundle.user_id() == user))
            .map(|(address, _)| address)
    }

    /// Pins a first contact or a successor. `true` if something changed.
    pub(crate) fn accept(&mut self, shown: &Bundle, judged: &Judged, now: i64) -> Result<bool> {
        let address = shown.address().clone();
        match (judged, self.pins.get_mut(&address)) {
            (Judged::First, None) => {
                let first_seen = self.first_seen(&address, now);
                self.pins.insert(address, Pin::first(shown, first_seen));
                Ok(true)
            }
            (Judged::Expected, None) => {
                let Some(expected) = self.expected.remove(&address) else {
                    return Err(Error::Internal("what another device pinned vanished"));
                };
                let mut pin = Pin { verified: expected.verified, ..Pin::first(shown, expected.first_seen) };
                pin.previous = expected.previous;
                if expected.root_id != shown.root_id() {
                    pin.previous.insert(0, Previous { root_id: expected.root_id, linked: true });
                }
                self.pins.insert(address, pin);
                Ok(true)
            }
            (Judged::Successor { .. }, Some(pin)) => {
                pin.advance(shown)?;
                Ok(true)
            }
            (Judged::Same, Some(_)) => Ok(false),
            _ => Err(Error::Internal("a bundle that was not accepted was to be pinned")),
        }
    }

    /// A human accepted new keys: they replace the old ones, unverified.
    pub(crate) fn replace(&mut self, shown: &Bundle, now: i64) -> Result<()> {
        let mut fresh = Pin::first(shown, self.first_seen(shown.address(), now));
        if let Some(expected) = self.expected.remove(shown.address()) {
            fresh.first_seen = expected.first_seen;
            fresh.previous = expected.previous;
            fresh.previous.insert(0, Previous { root_id: expected.root_id, linked: false });
        }
        let disputed = self.disputed.remove(shown.address());
        if let Some(old) = self.pins.get(shown.address()) {
            fresh.first_seen = old.first_seen;
            fresh.previous.clone_from(&old.previous);
            let left = [Some(old.bundle()?.root_id()), disputed];
            // Where the keys stay, those that led to them stay in line before what was claimed and is rejected.
            let stays = left[0] == Some(shown.root_id());
            let line = fresh.previous.iter().take_while(|previous| previous.linked).count();
            let at = if stays { line } else { 0 };
            for root_id in left.into_iter().flatten().filter(|root| *root != shown.root_id()) {
                fresh.previous.insert(at, Previous { root_id, linked: false });
            }
        }
        self.pins.insert(shown.address().clone(), fresh);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use format::Identity;
    use format::identity::BundleParams;

    fn params(seq: u32, previous: Option<&Bundle>) -> BundleParams {
        BundleParams {
            user_id: UserId::from_bytes([5; 16]),
            address: Address::parse("bob@people.example").unwrap(),
            seq,
            prev_hash: previous.map_or([0; 32], Bundle::hash),
            created: u64::from(seq),
            min_format: 1,
        }
    }

    fn first(identity: &Identity) -> Bundle {
        identity.bundle(&params(1, None)).unwrap()
    }

    /// The next bundle of the same root.
    fn next(identity: &Identity, previous: &Bundle) -> Bundle {
        identity.bundle(&params(previous.seq() + 1, Some(previous))).unwrap()
    }

    /// The next bundle of a new root that the old one signs over to.
    fn rotated(identity: &mut Identity, previous: &Bundle) -> Bundle {
        identity.rotate();
        identity.rotation_bundle(&params(previous.seq() + 1, Some(previous))).unwrap()
    }

    fn pinned(bundle: &Bundle) -> Pin {
        Pin::first(bundle, 7)
    }

    #[test]
    fn the_pinned_bundle_and_its_successors_are_accepted() {
        let mut bob = Identity::generate();
        let one = first(&bob);
        let two = next(&bob, &one);
        let three = rotated(&mut bob, &two);
        let judge =
            |pin: &Bundle, shown: &Bundle, chain: Option<&[Bundle]>| pinned(pin).judge(shown, chain).unwrap();
        assert!(matches!(judge(&one, &one, None), Judged::Same));
        assert!(matches!(judge(&one, &two, None), Judged::Successor { root_changed: false }));
        assert!(matches!(judge(&two, &three, None), Judged::Successor { root_changed: true }));
        assert!(matches!(judge(&one, &three, None), Judged::ChainNeeded { from: 2 }));
        let chain = [two, three.clone()];
        assert!(matches!(judge(&one, &three, Some(&chain)), Judged::Successor { root_changed: true }));
    }

    #[test]
    fn an_older_bundle_or_another_of_the_same_number_contradicts() {
        let bob = Identity::generate();
        let one = first(&bob);
        let two = next(&bob, &one);
        assert!(matches!(pinned(&two).judge(&one, None).unwrap(), Judged::Contradiction));
        let mut other = params(2, Some(&one));
        other.created = 99;
        let other = bob.bundle(&other).unwrap();
        assert!(matches!(pinned(&two).judge(&other, None).unwrap(), Judged::Contradiction));
    }

    #[test]
    fn a_root_that_nothing_links_is_a_new_person_whatever_its_number() {
        let (bob, mallory) = (Identity::generate(), Identity::generate());
        let one = first(&bob);
        let unlinked = next(&mallory, &one);
        for shown in [first(&mallory), unlinked.clone()] {
            let judged = pinned(&one).judge(&shown, None).unwrap();
            assert!(matches!(judged, Judged::NewPerson { old } if old == bob.root_id()), "{judged:?}");
        }
        let later = next(&mallory, &unlinked);
        let chain = [unlinked, later.clone()];
        assert!(matches!(pinned(&one).judge(&later, Some(&chain)).unwrap(), Judged::NewPerson { .. }));
    }

    #[test]
    fn a_chain_with_a_hole_another_end_or_nothing_in_it_is_refused() {
        let mut bob = Identity::generate();
        let one = first(&bob);
        let two = next(&bob, &one);
        let three = next(&bob, &two);
        let four = rotated(&mut bob, &three);
        let holes: [&[Bundle]; 4] =
            [&[], &[two.clone(), four.clone()], &[two, three.clone()], &[three, four.clone()]];
        for chain in holes {
            let judged = pinned(&one).judge(&four, Some(chain)).unwrap();
            assert!(matches!(judged, Judged::NewPerson { .. }), "{judged:?}");
        }
    }

    #[test]
    fn a_dispute_that_ends_with_the_same_keys_leaves_those_that_led_to_them_in_line() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path().join("h")).unwrap();
        let (mut bob, mallory) = (Identity::generate(), Identity::generate());
        let one = first(&bob);
        let (address, before) = (one.address().clone(), bob.root_id());
        let mut pins = Pins::load(&home).unwrap();
        pins.accept(&one, &Judged::First, 7).unwrap();
        let two = rotated(&mut bob, &one);
        pins.accept(&two, &Judged::Successor { root_changed: true }, 8).unwrap();
        pins.disputed.insert(address.clone(), mallory.root_id());
        pins.replace(&two, 9).unwrap();
        let line = |pins: &Pins| -> Vec<(RootId, bool)> {
            let pin = pins.pin(&address).unwrap();
            pin.previous.iter().map(|previous| (previous.root_id, previous.linked)).collect()
        };
        assert_eq!(line(&pins), [(before, true), (mallory.root_id(), false)]);
        // Where the keys do change by hand, what was before them is out of line.
        pins.replace(&next(&mallory, &two), 10).unwrap();
        assert!(!line(&pins)[0].1);
    }

    #[test]
    fn a_rotation_keeps_the_verification_and_an_accepted_change_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path().join("h")).unwrap();
        let mut bob = Identity::generate();
        let one = first(&bob);
        let (address, before) = (one.address().clone(), bob.root_id());
        let mut pins = Pins::load(&home).unwrap();
        assert!(pins.accept(&one, &Judged::First, 7).unwrap());
        assert!(pins.verify(&address));
        let two = rotated(&mut bob, &one);
        assert!(pins.accept(&two, &Judged::Successor { root_changed: true }, 8).unwrap());
        pins.save(&home).unwrap();
        let mut pins = Pins::load(&home).unwrap();
        let pin = pins.pin(&address).unwrap();
        assert!(pin.verified && pin.first_seen == 7);
        assert_eq!((pin.previous[0].root_id, pin.previous[0].linked), (before, true));
        pins.replace(&first(&Identity::generate()), 9).unwrap();
        let pin = pins.pin(&address).unwrap();
        assert!(!pin.verified);
        assert_eq!((pin.previous[0].root_id, pin.previous[0].linked), (bob.root_id(), false));
    }

    #[test]
    fn what_was_not_accepted_cannot_be_pinned() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path().join("h")).unwrap();
        let mut pins = Pins::load(&home).unwrap();
        let one = first(&Identity::generate());
        for judged in
            [Judged::Contradiction, Judged::NewPerson { old: RootId::ZERO }, Judged::ChainNeeded { from: 1 }]
        {
            assert!(pins.accept(&one, &judged, 7).is_err());
        }
        assert!(pins.pin(one.address()).is_none());
    }
}
