//! Each blob in several stores, so that any one of them may die.
//!
//! ```text
//! write   one stream to `copies` stores at once; acknowledged when all of them are durable
//! read    the likely stores first, then any other, also in the middle of a stream
//! repair  copies that are missing or damaged are written anew from one that was judged intact
//! ```
//! Where a blob lies follows from its name and the stores' labels alone (see [`placement`]), and no table is kept:
//! whoever looks for one finds it in any store that has it.

mod listing;
mod placement;
mod reader;
mod repair;
mod standing;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;

use crate::turns::Turns;
use crate::{BlobError, BlobList, BlobName, BlobStream, BlobWriter, Blobs, Health};
pub use repair::{Copy, CopyJudge, CopyState, Repaired};
use standing::Standing;

/// Copies of each blob where nothing else is said.
pub const DEFAULT_COPIES: usize = 2;

/// Keeps each blob in `copies` of several stores.
///
/// A server that has a store of its own writes there first and reads there first; the other places follow from a
/// rendezvous hash of the name, so that servers with different stores of their own agree where else to look.
///
/// Memory behind one writer is that of one writer in each of the `copies` stores; the octets themselves are shared.
/// A store that hangs without an error holds its caller up: what it is reached through has to bound its time.
///
/// A writer holds a place in several stores and asks the others at commit. So a [`Limit`](crate::Limit) goes over a mirror and never
/// under it: two writers would wait for each other's places. [`Retry`](crate::Retry) goes under it, around a store behind a network.
pub struct Mirror {
    set: Arc<Set>,
}

/// Stores that cannot be mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadMirror {
    /// Fewer than one copy, or more copies than stores.
    #[error("there must be at least one copy, and no more copies than stores")]
    Copies,
    /// Two stores have one label, so that placement could not tell them apart.
    #[error("two stores of a mirror have the same label")]
    SameLabel,
    /// The preferred store is not among them.
    #[error("the preferred store is not one of the mirror's")]
    UnknownLabel,
}

/// How one store of a mirror is.
#[derive(Debug)]
pub struct StoreState {
    /// Its label.
    pub label: String,
    /// What it says of itself, or why it cannot be used.
    pub health: Result<Health, BlobError>,
}

/// The stores and what is known of them; shared with streams, writers and listings.
struct Set {
    stores: Vec<Store>,
    copies: usize,
    preferred: Option<usize>,
    /// Commits of one name in this process come one after the other, so that exactly one of them wins everywhere.
    turns: Turns,
}

struct Store {
    label: String,
    blobs: Arc<dyn Blobs>,
    standing: Standing,
}

impl Mirror {
    /// Keeps `copies` of each blob in `stores`, which are told apart by their labels.
    ///
    /// The same labels must mean the same stores in every process that uses them, in any order; a label appears in
    /// logs. A store that is added later is used for new blobs, and repair brings old ones nearer to their places.
    ///
    /// # Errors
    /// Labels that are not distinct, or a number of copies that cannot be kept.
    pub fn new(stores: Vec<(String, Arc<dyn Blobs>)>, copies: usize) -> Result<Self, BadMirror> {
        if copies == 0 || copies > stores.len() {
            return Err(BadMirror::Copies);
        }
        let mut labels: Vec<&str> = stores.iter().map(|(label, _)| label.as_str()).collect();
        labels.sort_unstable();
        if labels.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(BadMirror::SameLabel);
        }
        let store = |(label, blobs)| Store { label, blobs, standing: Standing::default() };
        let stores = stores.into_iter().map(store).collect();
        Ok(Self { set: Arc::new(Set { stores, copies, preferred: None, turns: Turns::new() }) })
    }

    /// Writes to the store of that label first and reads there first: this server's own.
    ///
    /// # Errors
    /// There is none of that label.
    pub fn preferring(self, label: &str) -> Result<Self, BadMirror> {
        let place = self.set.stores.iter().position(|store| store.label == label);
        let preferred = Some(place.ok_or(BadMirror::UnknownLabel)?);
        let Self { set } = self;
        // A mirror that was not used yet is held once; its stores and what is known of them move along.
        let set = Arc::into_inner(set).expect("a mirror that is being built is not shared");
        Ok(Self { set: Arc::new(Set { preferred, ..set }) })
    }

    /// How many copies of each blob are kept.
    pub fn copies_kept(&self) -> usize {
        self.set.copies
    }

    /// The labels of the stores, in the order in which they were given; an index elsewhere is one of this order.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = &str> {
        self.set.stores.iter().map(|store| store.label.as_str())
    }

    /// One store by its index, as it is without the others.
    pub fn store(&self, index: usize) -> Option<&Arc<dyn Blobs>> {
        self.set.stores.get(index).map(|store| &store.blobs)
    }

    /// Asks every store how it is. A mirror is degraded when one of them answers with an error, and still healthy
    /// as long as `copies` of them do not.
    pub async fn states(&self) -> Vec<StoreState> {
        let ask = |store: &Store| {
            let (label, blobs) = (store.label.clone(), store.blobs.clone());
            async move { StoreState { label, health: blobs.health().await } }
        };
        join_all(self.set.stores.iter().map(ask)).await
    }
}

impl Set {
    /// All stores, the likely ones first; those that failed a moment ago last.
    fn to_read(&self, name: BlobName) -> Vec<usize> {
        let mut order = self.order(name);
        order.sort_by_key(|&index| self.stores[index].standing.is_failing());
        order
    }

    /// All stores, in the order in which they are asked to take a blob; full ones and those that failed last.
    fn to_write(&self, name: BlobName) -> Vec<usize> {
        let mut order = self.order(name);
        order.sort_by_key(|&index| {
            let standing = &self.stores[index].standing;
            standing.is_failing() || standing.is_full()
        });
        order
    }

    fn order(&self, name: BlobName) -> Vec<usize> {
        placement::order(name, self.stores.iter().map(|store| store.label.as_str()), self.preferred)
    }

    /// Remembers and logs what a store failed with; gives the error back.
    fn failed(&self, index: usize, error: BlobError) -> BlobError {
        let store = &self.stores[index];
        if store.standing.note(&error) {
            tracing::warn!(store = %store.label, %error, "a store of the mirror failed; others stand in for it");
        }
        error
    }

    /// Removes copies that must not be used. What cannot be removed now is left to the orphan sweep.
    async fn undo(&self, name: BlobName, places: &[usize]) {
        let removals = places.iter().map(|&index| async move {
            if let Err(error) = self.stores[index].blobs.delete(name).await {
                self.failed(index, error);
            }
        });
        join_all(removals).await;
    }

    /// Every store's answer to one question.
    async fn ask_all<T, F: Future<Output = Result<T, BlobError>>>(
        &self,
        question: impl Fn(Arc<dyn Blobs>) -> F,
    ) -> (Vec<T>, Vec<BlobError>) {
        let asked = self.stores.iter().map(|store| question(store.blobs.clone()));
        let (mut answers, mut errors) = (Vec::new(), Vec::new());
        for (index, answer) in join_all(asked).await.into_iter().enumerate() {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(error) => errors.push(self.failed(index, error)),
            }
        }
        (answers, errors)
    }
}

/// What failed in single stores, as one error: full if all of them are, else something that may pass.
fn together(errors: Vec<BlobError>) -> BlobError {
    if !errors.is_empty() && errors.iter().all(|error| matches!(error, BlobError::StorageFull)) {
        return BlobError::StorageFull;
    }
    let first = errors.into_iter().find(|error| !matches!(error, BlobError::StorageFull));
    BlobError::Unavailable(first.map_or_else(|| io::Error::other("no store is left"), io::Error::other))
}

#[async_trait]
impl Blobs for Mirror {
    async fn create(&self, name: BlobName) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(writer::MirrorWriter::create(self.set.clone(), name, None).await?))
    }

    async fn create_sized(&self, name: BlobName, len: u64) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(writer::MirrorWriter::create(self.set.clone(), name, Some(len)).await?))
    }

    async fn put_all(&self, blobs: Vec<(BlobName, Bytes)>) -> Result<(), BlobError> {
        writer::put_all(&self.set, blobs).await
    }

    async fn read(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
        reader::read(self.set.clone(), name, range).await
    }

    async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError> {
        let mut errors = Vec::new();
        for index in self.set.to_read(name) {
            match self.set.stores[index].blobs.len(name).await {
                Ok(Some(len)) => return Ok(Some(len)),
                Ok(None) => {}
                Err(error) => errors.push(self.set.failed(index, error)),
            }
        }
        // A store that did not answer may be the one that has it.
        if errors.is_empty() { Ok(None) } else { Err(together(errors)) }
    }

    async fn delete(&self, name: BlobName) -> Result<(), BlobError> {
        let _turn = self.set.turns.of(name).lock().await;
        let (_, errors) = self.set.ask_all(|blobs| async move { blobs.delete(name).await }).await;
        // The stores that were reached have let go; whoever repeats the deletion reaches the others.
        if errors.is_empty() { Ok(()) } else { Err(together(errors)) }
    }

    async fn list(&self) -> Result<BlobList, BlobError> {
        Ok(listing::list(self.set.clone()))
    }

    async fn sweep_temporary(&self, older_than: Duration) -> Result<u64, BlobError> {
        let sweep = |blobs: Arc<dyn Blobs>| async move { blobs.sweep_temporary(older_than).await };
        let (swept, errors) = self.set.ask_all(sweep).await;
        if errors.is_empty() { Ok(swept.iter().sum()) } else { Err(together(errors)) }
    }

    async fn health(&self) -> Result<Health, BlobError> {
        let (answers, errors) = self.set.ask_all(|blobs| async move { blobs.health().await }).await;
        if answers.len() < self.set.copies {
            return Err(together(errors));
        }
        // Each blob needs room in `copies` stores: the store that holds out the longest but for those counts.
        let mut free: Vec<u64> = answers.iter().filter_map(|health| health.free_bytes).collect();
        free.sort_unstable_by_key(|&free| std::cmp::Reverse(free));
        let without_bound = answers.len() - free.len();
        let free_bytes = self.set.copies.checked_sub(without_bound + 1).map(|nth| free[nth]);
        Ok(Health { free_bytes })
    }
}
