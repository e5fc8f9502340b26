//! Invitations: a link that carries one's root, so that whoever is given it needs not trust the server at first contact.

use crate::contacts::{LOCK, contact};
use crate::pins::{Judged, Pins, genuine};
use crate::{Client, Contact, Error, Result, RootId, UserId};
use envelope::Bundle;
use envelope::bundle::{MAX_CHAIN, verify_chain};

/// Most pages of a chain that are read for one invitation.
const PAGES: usize = 16;
/// Before the root in the fragment: the version of these links.
const MARK: &str = "1.";

/// What an invitation says: `https://HOST[:PORT]/i/USER#1.ROOT`.
struct Invitation {
    origin: String,
    user_id: UserId,
    root_id: RootId,
}

impl Invitation {
    fn parse(link: &str) -> Option<Self> {
        let (address, fragment) = link.trim().split_once('#')?;
        let (origin, user) = address.split_once("/i/")?;
        let root_id = fragment.strip_prefix(MARK)?.parse().ok()?;
        Some(Self { origin: crate::http::parse_origin(origin).ok()?, user_id: user.parse().ok()?, root_id })
    }
}

impl Client {
    /// A link that brings whoever opens it to one's own keys and no other's. It holds no secret; no network.
    ///
    /// # Errors
    /// [`Error::NoKeys`], [`Error::NoServer`].
    pub fn invitation(&self) -> Result<String> {
        let own = self.inner.stored_bundle()?.ok_or(Error::NoKeys)?;
        let server = self.inner.server()?;
        Ok(format!("{}/i/{}#{MARK}{}", server.origin(), own.user_id(), own.root_id()))
    }

    /// Pins whom an invitation names. Its root came by another way than the server, so they are verified.
    ///
    /// # Errors
    /// [`Error::BadInvitation`] if it is none, or of another server; [`Error::NotFound`] if nobody has published keys
    /// there; [`Error::InvitationDiffers`] if the server shows keys that the root did not sign; the `Identity…` errors
    /// if it contradicts what is pinned. Then nothing is pinned.
    pub async fn accept_invitation(&self, link: &str) -> Result<Contact> {
        let inner = &self.inner;
        let said = Invitation::parse(link).ok_or(Error::BadInvitation)?;
        if said.origin != inner.server()?.origin() {
            return Err(Error::BadInvitation);
        }
        if inner.own_root()? == Some(said.root_id) {
            return Err(Error::OwnAddress);
        }
        let newest = self.led_to(&said).await?;
        let judged = inner.judge_all(std::iter::once(&newest)).await?;
        let first = judged.iter().any(|(_, judged)| matches!(judged, Judged::First));
        inner.pin_all(&judged).await?;
        let _lock = inner.lock(LOCK).await?;
        let mut pins = Pins::load(&inner.home)?;
        pins.verify(newest.address());
        pins.save(&inner.home)?;
        let pin =
            pins.pin(newest.address()).ok_or(Error::Internal("a contact vanished while it was pinned"))?;
        contact(newest.address(), pin, first)
    }

    /// The newest bundle of the account, if links lead to it from a bundle of the root that was said.
    async fn led_to(&self, said: &Invitation) -> Result<Bundle> {
        let mut chain: Vec<Bundle> = Vec::new();
        for _ in 0..PAGES {
            let from = chain.last().map_or(1, |last| last.seq().saturating_add(1));
            let page = self.inner.chain(said.user_id, from).await?;
            let full = page.len() >= MAX_CHAIN;
            chain.extend(page);
            // Only what follows the root that was said needs to be proven.
            if let Some(at) = chain.iter().position(|bundle| bundle.root_id() == said.root_id) {
                chain.drain(..at);
            }
            if !full {
                break;
            }
        }
        let newest = chain.last().ok_or(Error::NotFound)?.clone();
        let begins = chain.first().is_some_and(|first| first.root_id() == said.root_id);
        let theirs = chain.iter().all(|bundle| bundle.user_id() == said.user_id);
        let linked = chain.windows(2).all(|two| verify_chain(two).is_ok());
        if !begins || !theirs || !linked {
            return Err(Error::InvitationDiffers);
        }
        genuine(newest.as_bytes(), newest.address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_exactly_an_invitation_is_taken_for_one() {
        let user = UserId::from_bytes([7; 16]);
        let root = RootId::from_bytes([9; 32]);
        let link = format!("https://files.example/i/{user}#1.{root}");
        let said = Invitation::parse(&format!("  {link}\n")).unwrap();
        assert_eq!((said.origin.as_str(), said.user_id, said.root_id), ("https://files.example", user, root));
        for wrong in [
            link.replace("https", "http"),
            link.replace("#1.", "#2."),
            link.replace('#', ""),
            link.replace("/i/", "/s/"),
            format!("{link}0"),
            link[..link.len() - 1].to_owned(),
            link.replace("/i/", "/x/i/"),
            String::new(),
        ] {
            assert!(Invitation::parse(&wrong).is_none(), "{wrong}");
        }
    }
}
