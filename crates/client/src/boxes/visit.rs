//! A visit to a drop box: what its owner has signed is checked by the root that the address names, before anything is sent.

use super::{max_size, seconds};
use crate::client::Inner;
use crate::contacts::Checked;
use crate::http::{Server, parse_origin, retrying};
use crate::links::linked_with;
use crate::{Address, Cancel, Client, Contact, Error, Quiet, Result, Trust};
use envelope::{BoxDescription, BoxTerms, Bundle};
use format::drop_box::{BoxAddress, BoxWords, open_box};
use proto::{BoxId, BoxView, paths};
use reqwest::Method;

/// A drop box that somebody gave the address of, as its owner has signed it.
#[derive(Clone, Debug)]
pub struct BoxVisit {
    pub(crate) server: Server,
    terms: BoxTerms,
    words: Option<BoxWords>,
    /// The newest bundle that is linked with the root in the address: what files are sealed to.
    owner: Bundle,
    trust: Trust,
    publishes: bool,
}

impl BoxVisit {
    /// What the owner says first; absent where the address has no key for it.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.words.as_ref().map(BoxWords::title)
    }

    /// What else the owner says; empty if nothing.
    #[must_use]
    pub fn note(&self) -> &str {
        self.words.as_ref().map_or("", BoxWords::note)
    }

    /// The owner's address, as their keys say it.
    #[must_use]
    pub fn owner(&self) -> &Address {
        self.owner.address()
    }

    /// How far the owner's keys are known here; whatever they are, they are those that the address names.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// Unix seconds: when it ends.
    #[must_use]
    pub fn ends(&self) -> i64 {
        seconds(self.terms.ends)
    }

    /// Files that it takes in all; absent: any number.
    #[must_use]
    pub fn max_files(&self) -> Option<u32> {
        Some(self.terms.max_files).filter(|most| *most > 0)
    }

    /// Bytes of the longest file that it takes; absent: what the server takes.
    #[must_use]
    pub fn max_size(&self) -> Option<u64> {
        max_size(&self.terms)
    }

    /// Whether the server says that it publishes what is sent to it now.
    #[must_use]
    pub fn publishes(&self) -> bool {
        self.publishes
    }

    pub(crate) fn id(&self) -> BoxId {
        self.terms.box_id
    }

    pub(crate) fn max_body(&self) -> u64 {
        self.terms.max_body
    }

    pub(crate) fn is_of(&self, server: &Server) -> bool {
        self.server.origin() == server.origin()
    }

    /// The owner as somebody to seal for. They are not pinned by this.
    pub(crate) fn recipient(&self) -> Checked {
        let contact = Contact {
            address: self.owner.address().clone(),
            user_id: self.owner.user_id(),
            root_id: self.owner.root_id(),
            seq: self.owner.seq(),
            verified: self.trust == Trust::Verified,
            first_seen: 0,
            first_contact: self.trust == Trust::FirstContact,
            previous: Vec::new(),
            reset_due: None,
        };
        Checked { contact, bundle: self.owner.clone() }
    }
}

impl Client {
    /// Looks at a drop box and checks what the server shows by the root that its address names. No account, keys or
    /// configured server are needed: `ca_pem` is the PEM certificate of the authority of the box's server when it is not
    /// one that the system knows. At the configured server its own authority counts.
    ///
    /// # Errors
    /// [`Error::BoxClosed`]; [`Error::BoxDiffers`] if the server shows another owner, or what the owner did not sign; the
    /// `Identity…` errors where the owner's keys are not those that are pinned here.
    pub async fn visit_box(&self, address: &BoxAddress, ca_pem: Option<&str>) -> Result<BoxVisit> {
        let inner = &self.inner;
        let origin = parse_origin(address.origin())?;
        if origin != address.origin() {
            return Err(Error::BadBox);
        }
        let known = inner.server().ok().filter(|server| server.origin() == origin && ca_pem.is_none());
        let server = match known {
            Some(server) => server,
            None => Server::new(&origin, ca_pem, &inner.options)?,
        };
        let path = paths::fill(paths::BOX, &[&address.id()]);
        let ask = async || {
            let response = server.send(server.request(Method::GET, &path)).await?;
            server.json::<BoxView>(response).await
        };
        let shown = retrying(inner.options.retry_for, &Quiet, &Cancel::new(), ask).await;
        let shown = shown.map_err(|error| match error {
            Error::NotFound => Error::BoxClosed,
            error => error,
        })?;
        inner.judge_box(server, address, shown)
    }

    /// Whether what is sent into that box from here can be signed: one is signed in at its server and has keys.
    pub fn signs_for(&self, visit: &BoxVisit) -> Result<bool> {
        let here = self.inner.server().is_ok_and(|server| visit.is_of(&server));
        Ok(here && self.signed_in()?.is_some() && self.inner.own_root()?.is_some())
    }
}

impl Inner {
    fn judge_box(&self, server: Server, address: &BoxAddress, shown: BoxView) -> Result<BoxVisit> {
        let differs = |_| Error::BoxDiffers;
        let theirs = linked_with(address.owner(), &shown.owner_chain, shown.owner).map_err(differs)?;
        let signer = theirs.iter().find(|bundle| bundle.root_id() == address.owner());
        let owner = theirs.last().ok_or(Error::BoxDiffers)?.clone();
        let description = BoxDescription::parse(shown.description.0).map_err(|_| Error::BoxDiffers)?;
        let signer = signer.ok_or(Error::BoxDiffers)?.root_key();
        let words =
            open_box(&description, address.id(), signer, address.key()).map_err(|_| Error::BoxDiffers)?;
        let terms = *description.terms();
        // The server says so first; an hour is for clocks that differ.
        if seconds(terms.ends).saturating_add(3_600) <= self.now() {
            return Err(Error::BoxClosed);
        }
        let trust = self.trust_at(&server, &theirs)?;
        Ok(BoxVisit { server, terms, words, owner, trust, publishes: shown.publishes })
    }

    /// Pins the owner of a box that is sent to in one's own name, as everybody one sends to.
    pub(crate) async fn pin_owner(&self, visit: &BoxVisit) -> Result<()> {
        if visit.trust == Trust::Own {
            return Ok(());
        }
        let judged = self.judge_all(std::iter::once(&visit.owner)).await?;
        self.pin_all(&judged).await
    }
}
