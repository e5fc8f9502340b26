//! Contacts: whose keys are pinned, since when, and whether a human compared them.

use crate::client::Inner;
use crate::pins::{Expected, Judged, Pin, Pins, genuine};
use crate::{Address, Client, Error, IdentityChange, Result, RootId, SafetyNumber, UserId};
use envelope::Bundle;
use envelope::bundle::MAX_CHAIN;
use format::safety::safety_number;
use proto::{Chain, Lookup, LookupReply, limits, paths};
use reqwest::Method;
use std::collections::BTreeMap;

pub(crate) const LOCK: &str = "state.lock";

/// Somebody whose keys are pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Address.
    pub address: Address,
    /// Account on the server.
    pub user_id: UserId,
    /// Pinned root.
    pub root_id: RootId,
    /// Highest bundle number seen.
    pub seq: u32,
    /// Whether a human compared the safety number.
    pub verified: bool,
    /// Unix seconds of the first contact.
    pub first_seen: i64,
    /// Whether this very call pinned it.
    pub first_contact: bool,
    /// Roots that were pinned before, newest first.
    pub previous: Vec<RootId>,
    /// Unix seconds from which other keys, which these did not sign over, may take their place: somebody with the
    /// person's mailbox asked for that (the server's word). Known only just after a look-up.
    pub reset_due: Option<i64>,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedContact {
    /// Contact as pinned now.
    pub contact: Contact,
    /// Number to compare (absent while there are no own keys here).
    pub safety_number: Option<SafetyNumber>,
}

/// A recipient whose bundle has passed every check.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) contact: Contact,
    pub(crate) bundle: Bundle,
}

fn digits(number: &str) -> String {
    number.chars().filter(|c| !c.is_whitespace()).collect()
}

pub(crate) fn contact(address: &Address, pin: &Pin, first_contact: bool) -> Result<Contact> {
    let bundle = pin.bundle()?;
    Ok(Contact {
        address: address.clone(),
        user_id: bundle.user_id(),
        root_id: bundle.root_id(),
        seq: bundle.seq(),
        verified: pin.verified,
        first_seen: pin.first_seen,
        first_contact,
        previous: pin.previous.iter().map(|previous| previous.root_id).collect(),
        reset_due: None,
    })
}

fn expected(address: &Address, there: &Expected) -> Contact {
    Contact {
        address: address.clone(),
        user_id: there.user_id,
        root_id: there.root_id,
        seq: there.seq,
        verified: there.verified,
        first_seen: there.first_seen,
        first_contact: false,
        previous: there.previous.iter().map(|previous| previous.root_id).collect(),
        reset_due: None,
    }
}

impl Client {
    /// Pins a bundle that was handed over by another way; `expected` is the address that the person said.
    ///
    /// # Errors
    /// [`Error::BundleNotGenuine`] if it does not verify or names another address, [`Error::IdentityChanged`] or
    /// [`Error::IdentityContradiction`] if it does not fit what is pinned; then nothing changes.
    pub fn contacts_import(&self, bundle: &[u8], expected: &Address) -> Result<ImportedContact> {
        let shown = genuine(bundle, expected).map_err(|_| Error::BundleNotGenuine)?;
        let inner = &self.inner;
        let _lock = inner.home.lock(LOCK)?;
        let own = inner.own_root()?;
        if own == Some(shown.root_id()) {
            return Err(Error::OwnAddress);
        }
        let mut pins = Pins::load(&inner.home)?;
        let judged = match pins.pin(expected) {
            None => match pins.expected(expected).map(|there| there.judge(&shown, None)) {
                None => Judged::First,
                Some(Judged::ChainNeeded { .. }) => {
                    return Err(Error::IdentityContradiction(expected.clone()));
                }
                Some(judged) => judged,
            },
            Some(pin) => match pin.judge(&shown, None)? {
                // Handed over by the person and signed by the very root that is pinned: no chain is needed.
                Judged::ChainNeeded { .. } if pin.bundle()?.root_id() == shown.root_id() => {
                    Judged::Successor { root_changed: false }
                }
                Judged::ChainNeeded { .. } => Judged::NewPerson { old: pin.bundle()?.root_id() },
                judged => judged,
            },
        };
        let judged = inner.stop_if_wrong(&pins, &shown, judged)?;
        let first = matches!(judged, Judged::First | Judged::Expected);
        if pins.accept(&shown, &judged, inner.now())? {
            pins.save(&inner.home)?;
        }
        let pin = pins.pin(expected).ok_or(Error::Internal("a contact vanished while it was pinned"))?;
        let safety_number = own.map(|own| safety_number(&own, &shown.root_id()));
        Ok(ImportedContact { contact: contact(expected, pin, first)?, safety_number })
    }

    /// Everybody pinned, by address.
    pub fn contacts(&self) -> Result<Vec<Contact>> {
        let pins = Pins::load(&self.inner.home)?;
        let here = pins.iter().map(|(address, pin)| contact(address, pin, false));
        let mut all: Vec<Contact> = here.collect::<Result<_>>()?;
        all.extend(pins.expectations().map(|(address, there)| expected(address, there)));
        all.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(all)
    }

    /// Asks the directory, checks every answer against the pins, and pins first contacts. In the order asked.
    ///
    /// # Errors
    /// [`Error::UnknownRecipients`] if one has no keys here; the `Identity…` errors if one cannot be trusted:
    /// then nothing is pinned.
    pub async fn lookup(&self, addresses: &[Address]) -> Result<Vec<Contact>> {
        Ok(self.inner.look_up(addresses).await?.into_iter().map(|checked| checked.contact).collect())
    }

    /// The number to compare with a contact; no network.
    ///
    /// # Errors
    /// [`Error::UnknownContact`], [`Error::NoKeys`].
    pub fn safety_number(&self, address: &Address) -> Result<SafetyNumber> {
        let own = self.inner.own_root()?.ok_or(Error::NoKeys)?;
        let pins = Pins::load(&self.inner.home)?;
        let root = pins.root_of(address)?.ok_or_else(|| Error::UnknownContact(address.clone()))?;
        Ok(safety_number(&own, &root))
    }

    /// Notes that a human compared the number.
    pub fn verify_contact(&self, address: &Address) -> Result<Contact> {
        let _lock = self.inner.home.lock(LOCK)?;
        let mut pins = Pins::load(&self.inner.home)?;
        if !pins.verify(address) {
            return Err(Error::UnknownContact(address.clone()));
        }
        pins.save(&self.inner.home)?;
        match (pins.pin(address), pins.expected(address)) {
            (Some(pin), _) => contact(address, pin, false),
            (None, Some(there)) => Ok(expected(address, there)),
            (None, None) => Err(Error::UnknownContact(address.clone())),
        }
    }

    /// After [`Error::IdentityChanged`]: takes the keys that the server shows now if their safety number is
    /// `expected`, the one that the person read out (spaces do not matter). The contact is not verified by this alone.
    ///
    /// # Errors
    /// [`Error::SafetyNumberDiffers`]: nothing was accepted.
    pub async fn accept_new_identity(&self, address: &Address, expected: &str) -> Result<Contact> {
        let own = self.inner.own_root()?.ok_or(Error::NoKeys)?;
        let shown = self.inner.ask_directory(std::slice::from_ref(address)).await?;
        let shown =
            shown.into_values().next().ok_or_else(|| Error::UnknownRecipients(vec![address.clone()]))?;
        if digits(&safety_number(&own, &shown.root_id()).to_string()) != digits(expected) {
            return Err(Error::SafetyNumberDiffers);
        }
        let _lock = self.inner.lock(LOCK).await?;
        let mut pins = Pins::load(&self.inner.home)?;
        let changed = match pins.pin(address) {
            Some(pin) => pins.is_disputed(address) || pin.bundle()?.root_id() != shown.root_id(),
            None => true,
        };
        if changed {
            pins.replace(&shown, self.inner.now())?;
            pins.save(&self.inner.home)?;
        }
        let pin = pins.pin(address).ok_or(Error::Internal("a contact vanished while it was pinned"))?;
        contact(address, pin, false)
    }

    /// Forgets a contact; the next contact is a first one again. `false` if there was none.
    pub fn forget_contact(&self, address: &Address) -> Result<bool> {
        let _lock = self.inner.home.lock(LOCK)?;
        let mut pins = Pins::load(&self.inner.home)?;
        let was_there = pins.remove(address, self.inner.now());
        if was_there {
            pins.save(&self.inner.home)?;
        }
        Ok(was_there)
    }
}

impl Inner {
    /// Genuine bundles for those of `addresses` that have one.
    pub(crate) async fn ask_directory(&self, addresses: &[Address]) -> Result<BTreeMap<Address, Bundle>> {
        let found = self.ask_for(addresses).await?;
        Ok(found.into_iter().map(|(address, (bundle, _))| (address, bundle)).collect())
    }

    /// The same, with the times from which other keys may count.
    async fn ask_for(&self, addresses: &[Address]) -> Result<BTreeMap<Address, (Bundle, Option<i64>)>> {
        let mut found = BTreeMap::new();
        for some in addresses.chunks(limits::LOOKUP_MAX) {
            let body = Lookup { addresses: some.iter().map(|address| address.as_str().to_owned()).collect() };
            let reply: LookupReply =
                self.call(|server| server.request(Method::POST, paths::LOOKUP).json(&body)).await?;
            for person in reply.people {
                let asked = some.iter().find(|address| address.as_str() == person.address);
                let asked = asked.ok_or(self.server()?.odd("keys of somebody who was not asked for"))?;
                let bundle = genuine(&person.bundle.0, asked)?;
                found.insert(asked.clone(), (bundle, person.reset_due));
            }
        }
        Ok(found)
    }

    /// [`Client::lookup`], with the bundles.
    pub(crate) async fn look_up(&self, addresses: &[Address]) -> Result<Vec<Checked>> {
        let found = self.ask_for(addresses).await?;
        let missing: Vec<Address> = addresses.iter().filter(|a| !found.contains_key(a)).cloned().collect();
        if !missing.is_empty() {
            return Err(Error::UnknownRecipients(missing));
        }
        let judged = self.judge_all(found.values().map(|(bundle, _)| bundle)).await?;
        self.pin_all(&judged).await?;
        let pins = Pins::load(&self.home)?;
        let mut checked = Vec::with_capacity(addresses.len());
        for address in addresses {
            let (bundle, reset_due) =
                found.get(address).ok_or(Error::Internal("a found address is missing"))?.clone();
            let first = judged.iter().any(|(b, j)| b.address() == address && matches!(j, Judged::First));
            let pin = pins.pin(address).ok_or(Error::Internal("a contact vanished while it was pinned"))?;
            checked.push(Checked { contact: Contact { reset_due, ..contact(address, pin, first)? }, bundle });
        }
        Ok(checked)
    }

    /// Judges genuine bundles against the pins, fetching chains where a pin is behind. Stops at the first that is wrong.
    pub(crate) async fn judge_all<'b>(
        &self,
        shown: impl Iterator<Item = &'b Bundle>,
    ) -> Result<Vec<(Bundle, Judged)>> {
        let pins = Pins::load(&self.home)?;
        let mut all = Vec::new();
        for bundle in shown {
            if pins.is_disputed(bundle.address()) {
                return Err(Error::DevicesDisagree(bundle.address().clone()));
            }
            let judged = match pins.pin(bundle.address()) {
                None => match pins.expected(bundle.address()) {
                    None => Judged::First,
                    Some(expected) => match expected.judge(bundle, None) {
                        Judged::ChainNeeded { from } => {
                            let chain = self.chain(bundle.user_id(), from).await?;
                            expected.judge(bundle, Some(&chain))
                        }
                        judged => judged,
                    },
                },
                Some(pin) => self.judge_pinned(pin, bundle).await?,
            };
            all.push((bundle.clone(), self.stop_if_wrong(&pins, bundle, judged)?));
        }
        Ok(all)
    }

    async fn judge_pinned(&self, pin: &Pin, bundle: &Bundle) -> Result<Judged> {
        match pin.judge(bundle, None)? {
            Judged::ChainNeeded { from } => {
                let chain = self.chain(bundle.user_id(), from).await?;
                pin.judge(bundle, Some(&chain))
            }
            judged => Ok(judged),
        }
    }

    /// The successor of a disputed pin, if its owner has signed this bundle over.
    pub(crate) async fn judge_disputed(&self, bundle: &Bundle) -> Result<Option<Judged>> {
        let pins = Pins::load(&self.home)?;
        let Some(pin) = pins.pin(bundle.address()) else { return Ok(None) };
        let judged = self.judge_pinned(pin, bundle).await?;
        Ok(matches!(judged, Judged::Successor { .. }).then_some(judged))
    }

    /// Pins what was judged to be a first contact or a successor.
    pub(crate) async fn pin_all(&self, judged: &[(Bundle, Judged)]) -> Result<()> {
        if judged.iter().all(|(_, judged)| matches!(judged, Judged::Same)) {
            return Ok(());
        }
        let _lock = self.lock(LOCK).await?;
        let mut pins = Pins::load(&self.home)?;
        let mut changed = false;
        for (bundle, before) in judged {
            // Another process may have pinned meanwhile: what it pinned counts.
            let now = match (before, pins.pin(bundle.address())) {
                (Judged::First, Some(pin)) => self.stop_if_wrong(&pins, bundle, pin.judge(bundle, None)?)?,
                (Judged::Successor { .. }, Some(pin)) if pin.bundle()?.as_bytes() == bundle.as_bytes() => {
                    Judged::Same
                }
                (Judged::First, None) => match pins.expected(bundle.address()) {
                    None => Judged::First,
                    Some(expected) => self.stop_if_wrong(&pins, bundle, expected.judge(bundle, None))?,
                },
                (Judged::Expected, None) if pins.expected(bundle.address()).is_some() => Judged::Expected,
                (Judged::Successor { root_changed }, Some(_)) => {
                    Judged::Successor { root_changed: *root_changed }
                }
                _ => Judged::Same,
            };
            changed |= pins.accept(bundle, &now, self.now())?;
        }
        if changed { pins.save(&self.home) } else { Ok(()) }
    }

    /// The bundles of an account from a number on, oldest first; none if the server has none to show.
    pub(crate) async fn chain(&self, user: UserId, from: u32) -> Result<Vec<Bundle>> {
        let path = format!("{}?from={from}", paths::fill(paths::CHAIN, &[&user]));
        let reply: Chain = match self.call(|server| server.request(Method::GET, &path)).await {
            Ok(reply) => reply,
            Err(Error::NotFound) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        // What cannot be parsed links nothing; a chain without it fails where it is judged.
        Ok(reply
            .bundles
            .iter()
            .take(MAX_CHAIN)
            .map_while(|bytes| Bundle::parse(bytes.0.as_slice()).ok())
            .collect())
    }

    fn stop_if_wrong(&self, pins: &Pins, shown: &Bundle, judged: Judged) -> Result<Judged> {
        let address = shown.address().clone();
        match judged {
            Judged::NewPerson { old } => match self.own_root()? {
                Some(own) => Err(Error::IdentityChanged(Box::new(IdentityChange {
                    old: safety_number(&own, &old),
                    new: safety_number(&own, &shown.root_id()),
                    was_verified: pins.is_verified(&address),
                    address,
                }))),
                None => Err(Error::IdentityContradiction(address)),
            },
            Judged::Contradiction | Judged::ChainNeeded { .. } => Err(Error::IdentityContradiction(address)),
            fine => Ok(fine),
        }
    }
}
