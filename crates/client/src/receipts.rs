//! Receipts: a recipient signs that they opened a file, and its sender checks who did.

use crate::client::Inner;
use crate::contacts::LOCK;
use crate::files::{OpenFileInfo, Trust};
use crate::keys::Unlocked;
use crate::pins::Pins;
use crate::{Address, Error, FileId, Home, Result, UserId};
use envelope::Bundle;
use envelope::action::{RECEIPT, receipt_bytes, verify_action};
use envelope::bundle::verify_chain;
use envelope::ed25519::{PublicKey, Signature};
use envelope::ids::ContentId;
use proto::limits::EXPIRY_MAX_SECONDS;
use proto::{B64, PostReceipt, paths};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

const RECEIPTS: &str = "receipts.json";
const VERSION: u32 = 1;
/// How long a receipt may hold up a file that is here already.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the server shows as the receipt of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Account.
    pub user_id: UserId,
    /// Address, if a contact.
    pub address: Option<Address>,
    /// Unix seconds by the recipient's clock.
    pub opened: i64,
    /// What it is worth.
    pub state: ReceiptState,
}

/// What a receipt is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptState {
    /// Signed by the recipient's pinned root, or one linked to it: they opened this very content.
    Verified,
    /// The keys of this person are not known on this machine.
    Unknown,
    /// Not signed by them: worth nothing.
    Forged,
}

/// A file of somebody else that is about to be opened by one's own grant.
#[derive(Clone, Copy)]
pub(crate) struct Opening {
    pub(crate) file_id: FileId,
    content_id: ContentId,
}

impl Opening {
    /// `None` for one's own file, for one that nobody signed, and for one that is opened by a bare key, which is nobody's.
    pub(crate) fn of(file: &OpenFileInfo) -> Option<Self> {
        let owed = !matches!(file.sender.trust, Trust::Own | Trust::Anonymous) && file.recipient.is_none();
        owed.then(|| Self { file_id: file.info.file_id, content_id: file.manifest.content_id() })
    }
}

/// `receipts.json`: receipts that were given, with when, so that each is given once.
#[derive(Serialize, Deserialize)]
pub(crate) struct Given {
    version: u32,
    given: BTreeMap<FileId, i64>,
}

impl Given {
    fn load(home: &Home) -> Result<Self> {
        match home.read_json::<Self>(RECEIPTS)? {
            None => Ok(Self { version: VERSION, given: BTreeMap::new() }),
            Some(given) if given.version == VERSION => Ok(given),
            Some(_) => Err(Error::HomeDamaged(home.path().join(RECEIPTS))),
        }
    }

    pub(crate) fn contains(&self, file_id: FileId) -> bool {
        self.given.contains_key(&file_id)
    }
}

impl Inner {
    /// Gives the receipt of one file, unless it was given before. What goes wrong is no fault of the opening: it is tried
    /// again with the next one.
    pub(crate) async fn give_receipt(&self, me: &Unlocked, opening: Opening) {
        if !self.receipts_given().await.contains(opening.file_id) {
            let given = self.send_receipt(me, opening).await;
            self.note_receipts(given.as_slice()).await;
        }
    }

    /// Those that were given. One that is given twice does no harm, so a file that cannot be read counts as empty.
    pub(crate) async fn receipts_given(&self) -> Given {
        Given::load(&self.home).unwrap_or_else(|error| {
            tracing::debug!(class = ?error.class(), "the receipts that were given cannot be read");
            Given { version: VERSION, given: BTreeMap::new() }
        })
    }

    /// Signs and sends; the file's id if the server has it.
    pub(crate) async fn send_receipt(&self, me: &Unlocked, opening: Opening) -> Option<FileId> {
        if !self.options.give_receipts {
            return None;
        }
        let opened = self.now();
        let signed = receipt_bytes(opening.file_id, opening.content_id, opened);
        let signature = me.vault.identity.sign_action(RECEIPT, &signed);
        let body = PostReceipt { opened, signature: B64(signature.as_bytes().to_vec()) };
        let path = paths::fill(paths::RECEIPT, &[&opening.file_id]);
        let post = self.authed(|server| server.request(Method::POST, &path).json(&body));
        let class = match tokio::time::timeout(PATIENCE, post).await {
            Ok(Ok(_)) => return Some(opening.file_id),
            Ok(Err(error)) => Some(error.class()),
            Err(_) => None,
        };
        tracing::debug!(?class, "a receipt could not be given; the next opening tries again");
        None
    }

    /// Notes receipts that were given.
    pub(crate) async fn note_receipts(&self, files: &[FileId]) {
        if files.is_empty() {
            return;
        }
        let noted = async {
            let _lock = self.lock(LOCK).await?;
            let mut given = Given::load(&self.home)?;
            let now = self.now();
            // No file lives longer, so nothing older is asked for again.
            given.given.retain(|_, at| now.saturating_sub(*at) <= EXPIRY_MAX_SECONDS);
            given.given.extend(files.iter().map(|file_id| (*file_id, now)));
            self.home.write_json(RECEIPTS, &given)
        };
        if let Err(error) = noted.await {
            tracing::debug!(class = ?error.class(), "receipts that were given could not be noted");
        }
    }

    /// Judges what the server shows as the receipts of one's own file. Nothing that it says makes one good.
    pub(crate) async fn judge_receipts(&self, file: &OpenFileInfo, pins: &Pins) -> Result<Vec<Receipt>> {
        let mut receipts = Vec::new();
        if file.sender.trust != Trust::Own {
            return Ok(receipts);
        }
        for shown in &file.info.receipts {
            let address = pins.address_of(shown.user);
            let pin = address.and_then(|address| pins.pin(address));
            let state = match pin {
                None => ReceiptState::Unknown,
                Some(pin) => self.judge_receipt(file, shown, &pin.bundle()?).await?,
            };
            let (user_id, address, opened) = (shown.user, address.cloned(), shown.opened);
            receipts.push(Receipt { user_id, address, opened, state });
        }
        Ok(receipts)
    }

    async fn judge_receipt(
        &self,
        file: &OpenFileInfo,
        shown: &proto::Receipt,
        pinned: &Bundle,
    ) -> Result<ReceiptState> {
        let Ok(signature) = <[u8; 64]>::try_from(shown.signature.0.as_slice()) else {
            return Ok(ReceiptState::Forged);
        };
        let signature = Signature::from_bytes(signature);
        let signed = receipt_bytes(file.info.file_id, file.manifest.content_id(), shown.opened);
        let by = |root: &PublicKey| verify_action(root, RECEIPT, &signed, &signature).is_ok();
        if by(pinned.root_key()) || pinned.prev_root().is_some_and(by) {
            return Ok(ReceiptState::Verified);
        }
        // Their keys may have been replaced before or after they were pinned: any root counts that is linked to it.
        let chain = self.chain(pinned.user_id(), 1).await?;
        let is_linked =
            chain.iter().any(|bundle| bundle.as_bytes() == pinned.as_bytes()) && verify_chain(&chain).is_ok();
        let is_theirs = is_linked && chain.iter().any(|bundle| by(bundle.root_key()));
        Ok(if is_theirs { ReceiptState::Verified } else { ReceiptState::Forged })
    }
}
