//! The leaves that segments are checked against, proven under the signed root before anything is opened.

use super::tickets::Tickets;
use crate::client::Inner;
use crate::http::retrying;
use crate::{Cancel, Error, FileId, Progress, Result};
use envelope::Manifest;
use envelope::merkle::{self, Node, PAGE_LEAVES};
use proto::{headers, paths};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Pages kept: the parts that are on their way at once lie on few.
const PAGES_KEPT: usize = 4;

/// The level-10 nodes of a body, proven, and pages of leaves as they are needed.
#[derive(Debug)]
pub(super) struct Tree {
    file_id: FileId,
    segments: u64,
    nodes: Vec<Node>,
    pages: Mutex<BTreeMap<u64, Arc<Vec<Node>>>>,
}

impl Tree {
    /// Fetches the nodes and compares their root with the signed one.
    pub(super) async fn fetch(
        inner: &Arc<Inner>,
        tickets: &Tickets,
        manifest: &Manifest,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Self> {
        let (file_id, segments) = (manifest.file_id(), manifest.body().segments());
        if segments == 1 {
            // The only leaf is the signed root: nothing is left to ask for.
            let root = manifest.body_root();
            let pages = Mutex::new(BTreeMap::from([(0, Arc::new(vec![root]))]));
            return Ok(Self { file_id, segments, nodes: vec![root], pages });
        }
        let path = paths::fill(paths::TREE, &[&file_id]);
        let max =
            usize::try_from(segments.div_ceil(PAGE_LEAVES as u64) * 32).map_err(|_| Error::NotAuthentic)?;
        let root = manifest.body_root();
        let patience = inner.options.retry_for;
        let ask = async |way| {
            let asked = retrying(patience, progress, cancel, || tickets.small(&path, max, way));
            asked.await.and_then(|bytes| Self::prove(file_id, segments, &bytes, &root))
        };
        match ask(None).await {
            Err(Error::NotAuthentic) => ask(Some(headers::CHECKED)).await,
            outcome => outcome,
        }
    }

    fn prove(file_id: FileId, segments: u64, bytes: &[u8], root: &Node) -> Result<Self> {
        let nodes = merkle::parse_nodes(bytes).map_err(|_| Error::NotAuthentic)?;
        let as_many = nodes.len() as u64 == segments.div_ceil(PAGE_LEAVES as u64);
        if !as_many || merkle::root(&nodes).as_ref() != Some(root) {
            return Err(Error::NotAuthentic);
        }
        Ok(Self { file_id, segments, nodes, pages: Mutex::default() })
    }

    /// The proven leaf page that holds segment `index`, and the index of its first leaf.
    pub(super) async fn page_of(&self, index: u64, tickets: &Tickets) -> Result<(u64, Arc<Vec<Node>>)> {
        let page = index / PAGE_LEAVES as u64;
        let first = page * PAGE_LEAVES as u64;
        let mut pages = self.pages.lock().await;
        if let Some(leaves) = pages.get(&page) {
            return Ok((first, Arc::clone(leaves)));
        }
        let path = paths::fill(paths::LEAVES, &[&self.file_id, &page]);
        let ask = async |way| {
            let asked = tickets.small(&path, PAGE_LEAVES * 32, way);
            asked.await.and_then(|bytes| self.prove_page(page, &bytes))
        };
        let leaves = match ask(None).await {
            Err(Error::NotAuthentic) => ask(Some(headers::CHECKED)).await?,
            outcome => outcome?,
        };
        let leaves = Arc::new(leaves);
        if pages.len() >= PAGES_KEPT {
            pages.pop_first();
        }
        pages.insert(page, Arc::clone(&leaves));
        Ok((first, leaves))
    }

    fn prove_page(&self, page: u64, bytes: &[u8]) -> Result<Vec<Node>> {
        let leaves = merkle::parse_nodes(bytes).map_err(|_| Error::NotAuthentic)?;
        let first = page * PAGE_LEAVES as u64;
        let as_many = leaves.len() as u64 == self.segments.saturating_sub(first).min(PAGE_LEAVES as u64);
        let node = usize::try_from(page).ok().and_then(|page| self.nodes.get(page));
        match (node, merkle::root(&leaves)) {
            (Some(node), Some(root)) if as_many && *node == root => Ok(leaves),
            _ => Err(Error::NotAuthentic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: FileId = FileId::from_bytes([1; 16]);

    fn leaves(count: u32) -> Vec<Node> {
        (0..count).map(|n| merkle::leaf(&n.to_be_bytes())).collect()
    }

    fn proven(count: u32) -> (Tree, Vec<Node>) {
        let leaves = leaves(count);
        let nodes = merkle::nodes_at_level(&leaves, merkle::PAGE_LEVEL);
        let root = merkle::root(&leaves).unwrap();
        (Tree::prove(ID, u64::from(count), &merkle::nodes_to_bytes(&nodes), &root).unwrap(), leaves)
    }

    #[test]
    fn honest_pages_are_proven() {
        for count in [1, 2, 1_023, 1_024, 1_025, 3_000] {
            let (tree, leaves) = proven(count);
            for (page, chunk) in leaves.chunks(PAGE_LEAVES).enumerate() {
                let bytes = merkle::nodes_to_bytes(chunk);
                assert_eq!(tree.prove_page(page as u64, &bytes).unwrap(), chunk, "{count}");
            }
        }
    }

    #[test]
    fn a_page_that_lies_about_one_leaf_its_number_or_its_length_is_refused() {
        let (tree, leaves) = proven(3_000);
        let bytes = merkle::nodes_to_bytes(&leaves[..1_024]);
        let mut flipped = bytes.clone();
        flipped[500] ^= 1;
        assert!(tree.prove_page(0, &flipped).is_err());
        assert!(tree.prove_page(1, &bytes).is_err());
        assert!(tree.prove_page(0, &bytes[..1_023 * 32]).is_err());
        assert!(tree.prove_page(0, &bytes[..31]).is_err());
        assert!(tree.prove_page(7, &bytes).is_err());
    }

    #[test]
    fn nodes_under_another_root_or_of_another_number_are_refused() {
        let leaves = leaves(3_000);
        let nodes = merkle::nodes_at_level(&leaves, merkle::PAGE_LEVEL);
        let bytes = merkle::nodes_to_bytes(&nodes);
        let root = merkle::root(&leaves).unwrap();
        assert!(Tree::prove(ID, 3_000, &bytes, &root).is_ok());
        assert!(Tree::prove(ID, 3_000, &bytes, &leaves[0]).is_err());
        assert!(Tree::prove(ID, 1_024, &bytes, &root).is_err());
        // A root passed off as the only node: right hash, wrong number.
        assert!(Tree::prove(ID, 3_000, root.as_bytes(), &root).is_err());
    }
}
