//! How far a sender is trusted now, by the pins of this device and by how they stood when a row was made.

use super::entry::{Entry, Signed};
use crate::pins::Pins;
use crate::{Address, Result, Role, RootId, Trust};
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::HashMap;

/// Answers for one listing.
pub(super) struct Judge {
    pinned: HashMap<String, Standing>,
    digest: [u8; 32],
}

/// What is known of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    root: RootId,
    /// Roots before, newest first, as far as each signed the next one over.
    linked: Vec<RootId>,
    is_verified: bool,
    is_disputed: bool,
}

impl Judge {
    /// By the pins as they are; `own` are one's own roots.
    pub(super) fn new(pins: &Pins, own: impl Iterator<Item = RootId>) -> Result<Self> {
        let mut digest = Context::new(&SHA256);
        own.for_each(|root| digest.update(root.as_bytes()));
        let mut pinned = HashMap::new();
        for address in pins.addresses() {
            let Some(root) = pins.root_of(address)? else { continue };
            let before = pins.pin(address).map(|pin| pin.previous.as_slice()).unwrap_or_default();
            let linked =
                before.iter().take_while(|previous| previous.linked).map(|one| one.root_id).collect();
            let (is_verified, is_disputed) = (pins.is_verified(address), pins.is_disputed(address));
            digest.update(address.as_str().as_bytes());
            digest.update(&[0, u8::from(is_disputed)]);
            digest.update(root.as_bytes());
            let standing = Standing { root, linked, is_verified, is_disputed };
            pinned.insert(address.as_str().to_owned(), standing);
        }
        let digest = digest.finish().as_ref().try_into().unwrap_or([0; 32]);
        Ok(Self { pinned, digest })
    }

    #[cfg(test)]
    pub(super) fn of_nobody() -> Self {
        Self { pinned: HashMap::new(), digest: [0; 32] }
    }

    /// Another one whenever a root was pinned, replaced or disputed: then rows that were not trusted are verified again.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    pub(super) fn trust(&self, row: &Entry<'_>) -> Trust {
        if row.is_anonymous {
            return Trust::Anonymous;
        }
        if row.role == Role::Author {
            return Trust::Own;
        }
        self.trust_in(row.address, &row.signed)
    }

    /// The same of who passed it on, if somebody did who is not oneself.
    pub(super) fn trust_in(&self, address: &str, signed: &Signed) -> Trust {
        match self.pinned.get(address) {
            None => Trust::FirstContact,
            Some(standing) => standing.trust(signed),
        }
    }
}

impl Standing {
    fn trust(&self, signed: &Signed) -> Trust {
        // A root that was judged to follow the pinned one, and one that was pinned since or leads to what is pinned.
        let follows = signed.pinned == Some(self.root) && !signed.changed;
        let is_same = signed.newest == self.root && !(signed.changed && signed.pinned == Some(self.root));
        let is_known = follows || is_same || (self.linked.contains(&signed.newest) && !signed.changed);
        match (self.is_disputed || !is_known, self.is_verified) {
            (true, _) => Trust::Changed,
            (false, true) => Trust::Verified,
            (false, false) => Trust::Pinned,
        }
    }
}

impl Pins {
    /// Everybody who is pinned, here or by another device.
    fn addresses(&self) -> impl Iterator<Item = &Address> {
        let elsewhere = self.expectations().map(|(address, _)| address);
        self.iter().map(|(address, _)| address).chain(elsewhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(n: u8) -> RootId {
        RootId::from_bytes([n; 32])
    }

    fn signed(newest: u8, pinned: Option<u8>, changed: bool) -> Signed {
        Signed { root: root(newest), newest: root(newest), pinned: pinned.map(root), changed }
    }

    #[test]
    fn trust_follows_the_pins_of_today() {
        let now = Standing { root: root(3), linked: vec![root(2)], is_verified: false, is_disputed: false };
        for (what, signed, trust) in [
            ("the pinned root", signed(3, Some(3), false), Trust::Pinned),
            ("met since", signed(3, None, false), Trust::Pinned),
            ("a successor that is not pinned yet", signed(4, Some(3), false), Trust::Pinned),
            ("the one before, which signed this one over", signed(2, Some(2), false), Trust::Pinned),
            ("one that nothing links", signed(1, Some(1), false), Trust::Changed),
            ("an imposter then and now", signed(9, Some(3), true), Trust::Changed),
            ("older keys of the pinned root", signed(3, Some(3), true), Trust::Changed),
            ("changed then, and accepted by a human since", signed(3, Some(1), true), Trust::Pinned),
        ] {
            assert_eq!(now.trust(&signed), trust, "{what}");
        }
        let verified = Standing { is_verified: true, ..now };
        assert_eq!(verified.trust(&signed(3, Some(3), false)), Trust::Verified);
        let disputed = Standing { is_disputed: true, ..verified };
        assert_eq!(disputed.trust(&signed(3, Some(3), false)), Trust::Changed);
    }
}
