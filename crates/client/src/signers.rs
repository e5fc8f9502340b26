//! Who signed what of a file: its author, and whoever passed it on.

use crate::client::Inner;
use crate::opener::Opener;
use crate::pins::{Judged, Pins, genuine};
use crate::{Address, Error, Result, RootId, Sender, Trust, UserId};
use envelope::bundle::verify_chain;
use envelope::ed25519::PublicKey;
use envelope::{Bundle, Grant, Suite};
use proto::FileInfo;

/// Somebody whose root signed.
#[derive(Clone)]
pub(crate) struct Signer {
    /// That root.
    pub(crate) key: PublicKey,
    /// Their present root, linked to that key, if it is another.
    pub(crate) newest: Option<PublicKey>,
    pub(crate) sender: Sender,
    /// Their newest bundle and what it means against the pins; absent for oneself.
    pub(crate) judged: Option<(Bundle, Judged)>,
}

impl Signer {
    /// The root of their newest bundle.
    pub(crate) fn newest_root(&self) -> RootId {
        RootId::of(self.newest.as_ref().unwrap_or(&self.key))
    }
}

/// Who signed a grant.
pub(crate) enum Giver {
    /// The author or oneself, by a root that is known already.
    Known,
    /// The author, by a root between the one that signed the file and the present one.
    Linked(PublicKey),
    /// Somebody who was given the file before.
    Passer(Box<Signer>),
}

impl Giver {
    pub(crate) fn linked(&self) -> Option<PublicKey> {
        match self {
            Self::Linked(key) => Some(*key),
            Self::Known | Self::Passer(_) => None,
        }
    }

    pub(crate) fn passer(&self) -> Option<&Signer> {
        match self {
            Self::Passer(passer) => Some(passer),
            Self::Known | Self::Linked(_) => None,
        }
    }

    pub(crate) fn into_passer(self) -> Option<Signer> {
        match self {
            Self::Passer(passer) => Some(*passer),
            Self::Known | Self::Linked(_) => None,
        }
    }
}

impl Inner {
    /// The key that must have signed, if the bundle is genuine and that root is theirs.
    pub(crate) async fn signer(
        &self,
        own: &Address,
        (user, bundle): (UserId, &[u8]),
        root: RootId,
        strict: bool,
    ) -> Result<Signer> {
        let forged = || Error::NotAuthentic;
        let bundle = Bundle::parse(bundle).map_err(|_| forged())?;
        let bundle = genuine(bundle.as_bytes(), bundle.address()).map_err(|_| forged())?;
        if bundle.user_id() != user || bundle.address() == own {
            return Err(forged());
        }
        let judged = match self.judge_all(std::iter::once(&bundle)).await {
            Ok(mut judged) => judged.pop().map(|(_, judged)| judged),
            Err(error) if !strict && error.class() == crate::Class::Identity => None,
            Err(error) => return Err(error),
        };
        let key = match bundle.prev_root() {
            _ if bundle.root_id() == root => *bundle.root_key(),
            Some(previous) if RootId::of(previous) == root => *previous,
            _ => self.retired_root(&bundle, root).await?,
        };
        let pins = Pins::load(&self.home)?;
        let trust = match (&judged, pins.pin(bundle.address())) {
            (None, _) => Trust::Changed,
            (Some(_), _) if pins.is_verified(bundle.address()) => Trust::Verified,
            (Some(Judged::First), None) => Trust::FirstContact,
            (Some(_), _) => Trust::Pinned,
        };
        let sender = Sender {
            address: Some(bundle.address().clone()),
            root_id: root,
            trust,
            retired_root: bundle.root_id() != root,
        };
        let newest = sender.retired_root.then(|| *bundle.root_key());
        Ok(Signer { key, newest, sender, judged: judged.map(|judged| (bundle, judged)) })
    }

    /// Whose root signed the grant of a signed file. The signature says who, never the server: that names an account only so
    /// that their keys are found.
    pub(crate) async fn giver(
        &self,
        opener: Opener<'_>,
        info: &FileInfo,
        grant: &Grant,
        author: &Signer,
        strict: bool,
    ) -> Result<Giver> {
        let forged = || Error::NotAuthentic;
        let root = grant.grantor_root_id();
        let is_known = grant.suite() == Suite::Anonymous
            || [Some(&author.key), author.newest.as_ref()]
                .into_iter()
                .flatten()
                .any(|key| RootId::of(key) == root)
            || self.own_author(opener, root)?.is_some();
        if is_known {
            return Ok(Giver::Known);
        }
        let Some(passed_by) = &info.passed_by else {
            // A file of one's own by a root that is not one's own: nobody gave it to oneself.
            let (newest, _) = author.judged.as_ref().ok_or_else(forged)?;
            return self.retired_root(newest, root).await.map(Giver::Linked);
        };
        if passed_by.user_id == info.author {
            return Err(forged());
        }
        let bundle = match &passed_by.bundle {
            Some(bundle) => bundle.0.clone(),
            // They have left: what was pinned of them is as good as ever.
            None => {
                let pins = Pins::load(&self.home)?;
                let pin = pins.address_of(passed_by.user_id).and_then(|address| pins.pin(address));
                pin.ok_or_else(forged)?.bundle()?.as_bytes().to_vec()
            }
        };
        let by = (passed_by.user_id, bundle.as_slice());
        let passer = self.signer(&self.own_address(opener)?, by, root, strict).await?;
        if passer.sender.address == author.sender.address {
            return Err(forged());
        }
        Ok(Giver::Passer(Box::new(passer)))
    }

    /// A root that somebody has signed over from, somewhere in the chain that ends in `newest`.
    async fn retired_root(&self, newest: &Bundle, root: RootId) -> Result<PublicKey> {
        let chain = self.chain(newest.user_id(), 1).await?;
        let ends_there = chain.last().is_some_and(|last| last.as_bytes() == newest.as_bytes());
        if !ends_there || verify_chain(&chain).is_err() {
            return Err(Error::NotAuthentic);
        }
        let found = chain.iter().find(|bundle| bundle.root_id() == root);
        found.map(|bundle| *bundle.root_key()).ok_or(Error::NotAuthentic)
    }
}
