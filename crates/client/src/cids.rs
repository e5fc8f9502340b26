//! Where the parts of a file are on IPFS: the server's word, of which only the form can be checked.

use crate::client::Inner;
use crate::files::{FileSummary, with_query};
use crate::http::retrying;
use crate::{Cancel, Client, Error, FileId, Progress, Result};
use envelope::segment::MAX_PARTS;
use proto::limits::CIDS_MAX;
use proto::{Cid, PartCids, paths};
use reqwest::Method;

/// One part of a file, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPart {
    /// Bytes (the server's word).
    pub bytes: u64,
    /// Where it is on IPFS (the server's word: whoever opens the parts proves them); absent: it is not there.
    pub cid: Option<Cid>,
}

impl Client {
    /// Where the parts of a file are on IPFS. Empty if none is, as far as the server says.
    ///
    /// # Errors
    /// [`Error::NotAServer`] for what are no CIDs, or not those of all parts in order; a server, or a node behind it, that
    /// cannot answer.
    pub async fn cids(&self, file: &FileSummary) -> Result<Vec<PublishedPart>> {
        let mut parts: Vec<PublishedPart> = Vec::new();
        let (mut bytes, mut from) = (0_u64, Some(0));
        while let Some(first) = from {
            let page = self.inner.cids_from(file.file_id, first).await?;
            from = self.inner.take_page(page, &mut parts, &mut bytes, file.body_len)?;
        }
        if parts.iter().all(|part| part.cid.is_none()) {
            return Ok(Vec::new());
        }
        if bytes != file.body_len {
            return Err(self.inner.server()?.odd("parts that are not all of the file"));
        }
        Ok(parts)
    }

    /// Whether the server says that it publishes what is sent to it now. One that publishes and does not say so cannot be told
    /// from one that does not.
    ///
    /// # Errors
    /// As of [`Client::whoami`]; a network that is away is waited for.
    pub async fn publishes(&self, progress: &dyn Progress, cancel: &Cancel) -> Result<bool> {
        let patience = self.inner.options.retry_for;
        let asked = || self.inner.call(|server| server.request(Method::GET, paths::WHOAMI));
        let who: proto::WhoAmI = retrying(patience, progress, cancel, asked).await?;
        Ok(who.publishes)
    }
}

impl Inner {
    async fn cids_from(&self, file_id: FileId, first: u32) -> Result<PartCids> {
        let path = with_query(&paths::fill(paths::CIDS, &[&file_id]), &[("from", first.to_string())]);
        match self.call(|server| server.request(Method::GET, &path)).await {
            // A server of before there were CIDs.
            Err(Error::NotFound) if first == 0 => Ok(PartCids::default()),
            page => page,
        }
    }

    /// Adds a page to what came before. Every page brings the end nearer, whatever the server says.
    fn take_page(
        &self,
        page: PartCids,
        parts: &mut Vec<PublishedPart>,
        bytes: &mut u64,
        body_len: u64,
    ) -> Result<Option<u32>> {
        let odd = |what| self.server().map_or_else(|error| error, |server| server.odd(what));
        if page.parts.len() > CIDS_MAX || (page.parts.is_empty() && page.next.is_some()) {
            return Err(odd("a page of parts of another length"));
        }
        for part in page.parts {
            let end = bytes.checked_add(part.length).filter(|end| part.length > 0 && *end <= body_len);
            let is_next = part.n as usize == parts.len() && part.n < MAX_PARTS;
            *bytes = end.filter(|_| is_next).ok_or(odd("parts out of order"))?;
            let cid = part.cid.as_deref().map(Cid::parse).transpose();
            let cid = cid.map_err(|_| odd("it shows something that is no CID"))?;
            parts.push(PublishedPart { bytes: part.length, cid });
        }
        match page.next {
            Some(next) if next as usize != parts.len() => Err(odd("parts out of order")),
            next => Ok(next),
        }
    }
}
