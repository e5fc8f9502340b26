//! The union of what the stores list, each name once, in bounded memory.
//!
//! One store is listed after the other. A name of a later store is left out if an earlier one, whose listing came
//! to its end, has it: it was listed there. So nothing is remembered but the names that are being asked for.

use std::sync::Arc;

use futures::{Stream, StreamExt, stream};

use super::{Set, together};
use crate::{BlobError, BlobList, ListedBlob};

/// Names that are asked for in earlier stores at once.
const ASKED_AT_ONCE: usize = 16;

/// All blobs of all stores. A store that cannot be listed to its end does not hide the others: its error is the last item.
pub(super) fn list(set: Arc<Set>) -> BlobList {
    let walk = Walk { set, next: 0, listed: Vec::new(), current: None, errors: Vec::new() };
    stream::unfold(Some(walk), |walk| async move {
        let mut walk = walk?;
        match walk.next_blob().await {
            Some(blob) => Some((Ok(blob), Some(walk))),
            None if walk.errors.is_empty() => None,
            None => Some((Err(together(walk.errors)), None)),
        }
    })
    .boxed()
}

type Unlisted = std::pin::Pin<Box<dyn Stream<Item = Result<Option<ListedBlob>, BlobError>> + Send>>;

struct Walk {
    set: Arc<Set>,
    /// The store to list next.
    next: usize,
    /// Stores whose listings came to their ends.
    listed: Vec<usize>,
    current: Option<Unlisted>,
    errors: Vec<BlobError>,
}

impl Walk {
    async fn next_blob(&mut self) -> Option<ListedBlob> {
        loop {
            if let Some(current) = &mut self.current {
                match current.next().await {
                    Some(Ok(Some(blob))) => return Some(blob),
                    Some(Ok(None)) => continue,
                    Some(Err(error)) => self.end(Some(error)),
                    None => self.end(None),
                }
            }
            let store = self.set.stores.get(self.next)?;
            match store.blobs.list().await {
                Ok(list) => self.current = Some(unlisted(self.set.clone(), self.listed.clone(), list)),
                Err(error) => self.end(Some(error)),
            }
        }
    }

    /// The store `next` is done with.
    fn end(&mut self, error: Option<BlobError>) {
        match error {
            Some(error) => self.errors.push(self.set.failed(self.next, error)),
            None => self.listed.push(self.next),
        }
        self.current = None;
        self.next += 1;
    }
}

/// The blobs of `list` that none of the stores `before` has; `None` in place of the others.
fn unlisted(set: Arc<Set>, before: Vec<usize>, list: BlobList) -> Unlisted {
    let before: Arc<[usize]> = before.into();
    let asked = list.map(move |blob| {
        let (set, before) = (set.clone(), before.clone());
        async move {
            let blob = blob?;
            for &index in &*before {
                // A store that answered a moment ago and does not now ends this listing: a name twice would be wrong.
                if set.stores[index].blobs.len(blob.name).await?.is_some() {
                    return Ok(None);
                }
            }
            Ok(Some(blob))
        }
    });
    asked.buffer_unordered(ASKED_AT_ONCE).boxed()
}
