//! Receipts: what recipients signed when they first opened a file.

use async_trait::async_trait;
use envelope::ids::{FileId, UserId};

use crate::{DbError, NewEvent};

/// What the server remembers of receipts. Signatures are the caller's business.
#[async_trait]
pub trait Receipts: Send + Sync {
    /// Keeps the receipt of a person who holds a grant to a living file of somebody else, and appends its event.
    /// The first one stays, and a later one appends nothing. Idempotent in effect.
    async fn keep_receipt(&self, new: NewReceipt) -> Result<ReceiptAnswer, DbError>;

    /// The receipts of a file, in the order of people's ids; the first 1,000. Whether the asker may know is the
    /// caller's business. They are forgotten when the file ends.
    async fn receipts_of(&self, file_id: FileId) -> Result<Vec<StoredReceipt>, DbError>;
}

/// A receipt that is to be kept.
#[derive(Clone, Debug)]
pub struct NewReceipt {
    /// What was signed, and by whom.
    pub receipt: StoredReceipt,
    /// Of which file.
    pub file_id: FileId,
    /// Appended with the receipt.
    pub event: NewEvent,
}

/// A receipt that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReceipt {
    /// Who opened.
    pub user: UserId,
    /// When, by their own clock, in unix seconds; as it was signed.
    pub opened: i64,
    /// Their root's signature.
    pub signature: [u8; 64],
}

/// What came of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptAnswer {
    /// It is kept.
    Kept,
    /// There was one before, which stays.
    AlreadyThere,
    /// The person has no grant to such a living file, or it is their own.
    Nothing,
}
