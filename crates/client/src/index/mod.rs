//! The index of one's files on one's own device: what makes a list of sealed names searchable.
//!
//! The server cannot search names, so the client keeps what it verified in two sealed files of its home (`store`), asks the
//! server only for what changed since (`refresh`), and reads them from end to end for every list (`query`). It is a cache: whatever
//! is wrong with it, it is thrown away and made anew, and a file that is opened is verified as if there were no index.

mod entry;
mod judge;
#[cfg(test)]
mod million;
mod query;
mod refresh;
mod store;

use crate::keys::Unlocked;
use crate::pins::Pins;
use crate::{Client, Error, FileId, FileSummary, Progress, Result, RootId, Trust};
use entry::{Entry, State};
use judge::Judge;
use proto::B64;
use query::{Best, Wanted};
pub use query::{ListQuery, Sort};
pub use store::IndexFault;
pub(crate) use store::forget;
use store::{Damaged, Index};

const LOCK: &str = "index.lock";
/// Ids of files that did not verify, at most, that are told.
const REFUSED_TOLD: usize = 1_000;

/// What a list holds.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Those asked for, in the order asked for. Recipients and receipts are not in a list.
    pub files: Vec<FileSummary>,
    /// How many there are of those asked for.
    pub matched: u64,
    /// How many files there are.
    pub total: u64,
    /// Files of which nothing is shown because what the server shows of them does not verify; the first thousand.
    pub refused: Vec<FileId>,
    /// Why the index was made anew, if it was.
    pub rebuilt: Option<IndexFault>,
}

impl Client {
    /// The files that are asked for, out of the index, which is brought up to date first.
    ///
    /// # Errors
    /// Those of asking the server. Nothing that is wrong with the index is one: it is made anew.
    pub async fn browse(&self, me: &Unlocked, query: &ListQuery, progress: &dyn Progress) -> Result<Listing> {
        self.indexed(me, progress, |rows, judge, now| {
            let wanted = Wanted::new(query, now);
            let (mut listing, mut best) = (Listing::default(), Best::new(query));
            for bytes in rows {
                let bytes = bytes?;
                let row = Entry::read(&bytes).ok_or(Damaged::Damaged)?;
                match row.state {
                    State::Refused if listing.refused.len() < REFUSED_TOLD => {
                        listing.refused.push(row.file_id)
                    }
                    State::Listed if row.expires_at > now => {
                        listing.total += 1;
                        if let Some(trusts) = wanted.takes(&row, judge) {
                            best.take(&wanted, &row, &bytes, trusts);
                        }
                    }
                    _ => {}
                }
            }
            listing.matched = best.matched;
            listing.files = best.files();
            Ok(listing)
        })
        .await
        .map(|(listing, rebuilt)| Listing { rebuilt, ..listing })
    }

    /// Ids of listed files that begin with this text, at most `limit` of them, in their order.
    ///
    /// # Errors
    /// As [`Client::browse`].
    pub async fn find(
        &self,
        me: &Unlocked,
        prefix: &str,
        limit: usize,
        progress: &dyn Progress,
    ) -> Result<Vec<FileId>> {
        let found = self.indexed(me, progress, |rows, _, _| {
            let mut found = Vec::new();
            for bytes in rows {
                let bytes = bytes?;
                let row = Entry::read(&bytes).ok_or(Damaged::Damaged)?;
                if found.len() < limit
                    && row.state == State::Listed
                    && row.file_id.to_string().starts_with(prefix)
                {
                    found.push(row.file_id);
                }
            }
            Ok(found)
        });
        found.await.map(|(found, _)| found)
    }

    /// Brings the index up to date and reads it; makes it anew if it turns out to be damaged.
    async fn indexed<T>(
        &self,
        me: &Unlocked,
        progress: &dyn Progress,
        mut read: impl FnMut(store::Rows<'_>, &Judge, i64) -> Result<T, Damaged>,
    ) -> Result<(T, Option<IndexFault>)> {
        let inner = &self.inner;
        let _lock = inner.lock(LOCK).await?;
        let mut whose = me.user_id().as_bytes().to_vec();
        whose.extend_from_slice(inner.server()?.origin().as_bytes());
        let (mut index, mut fault) = Index::open(&inner.home, me.vault.index_key(), whose)?;
        for is_second in [false, true] {
            let outcome = async {
                let refused = index.mark.refused.clone();
                if inner.refresh(me, &mut index, progress).await? {
                    fault.get_or_insert(IndexFault::TooOld);
                }
                let roots = me.vault.identity.root_keys().map(RootId::of);
                let judge = Judge::new(&Pins::load(&inner.home)?, roots)?;
                let digest = B64(judge.digest().to_vec());
                if index.mark.pins.as_ref() != Some(&digest) {
                    let doubtful = tokio::task::block_in_place(|| doubtful(&index, &judge))?;
                    inner.verify_again(me, &mut index, &doubtful, progress).await?;
                    index.mark.pins = Some(digest);
                } else {
                    inner.verify_again(me, &mut index, &refused, progress).await?;
                }
                tokio::task::block_in_place(|| index.commit())?;
                tokio::task::block_in_place(|| read(index.rows()?, &judge, index.now))
            };
            match outcome.await {
                Ok(read) => return Ok((read, fault)),
                Err(Damaged::Failed(error)) => return Err(error),
                Err(Damaged::Damaged) if is_second => break,
                Err(Damaged::Damaged) => {
                    fault = Some(IndexFault::Damaged);
                    index.clear()?;
                }
            }
        }
        // Written a moment ago, and not what was written: nothing here can be relied on.
        Err(Error::HomeDamaged(inner.home.path().join(store::BASE)))
    }
}

/// Files whose senders were not who they should have been, by the pins of then or of now.
fn doubtful(index: &Index, judge: &Judge) -> Result<Vec<FileId>, Damaged> {
    let mut found = Vec::new();
    for bytes in index.rows()? {
        let bytes = bytes?;
        let row = Entry::read(&bytes).ok_or(Damaged::Damaged)?;
        let is_doubtful = match row.state {
            State::Refused => true,
            State::Listed => {
                let passer = row
                    .passed
                    .map(|passed| (passed.signed.changed, judge.trust_in(passed.address, &passed.signed)));
                row.signed.changed
                    || judge.trust(&row) == Trust::Changed
                    || passer.is_some_and(|(changed, trust)| changed || trust == Trust::Changed)
            }
            State::Gone => false,
        };
        if is_doubtful {
            found.push(row.file_id);
        }
    }
    Ok(found)
}
