//! `GET /content/{file_id}/tree`: the nodes of level 10, one for each page of leaves, 32 octets each.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use envelope::BodyShape;
use envelope::merkle::{Accumulator, Node, PAGE_LEAVES};
use futures::TryStreamExt as _;
use proto::FileId;

use super::{Shown, Way, immutable, is_held, layout, not_modified, open_leaves};
use crate::error::{Answer, Refusal};
use crate::http::Fields;
use crate::state::App;

pub(crate) async fn fetch(
    State(app): State<App>,
    Fields(file_id): Fields<FileId>,
    shown: Shown,
    way: Way,
    headers: HeaderMap,
) -> Answer<Response> {
    let layout = layout(&app, &shown, file_id).await?;
    let etag = format!("\"{:?}-tree\"", layout.body_root);
    if is_held(&headers, &etag) {
        return Ok(not_modified(&etag));
    }
    let Some(leaves) = &layout.leaves_blob else {
        // The only leaf is the root, and so is the node over it.
        let node = Body::from(layout.body_root.as_bytes().to_vec());
        return Ok(immutable(Response::new(node), &etag));
    };
    let total = BodyShape::from_body_len(layout.body_len).map_err(Refusal::internal)?.segments() * 32;
    let mut stream = open_leaves(&app, file_id, &layout, leaves, 0..total, &way).await?;
    let mut pages = Pages::default();
    while let Some(piece) = stream.try_next().await? {
        // A piece of 1 MiB is 32 pages: milliseconds, and then others get their turn.
        pages.take(&piece);
        tokio::task::yield_now().await;
    }
    Ok(immutable(Response::new(Body::from(pages.finish())), &etag))
}

/// Folds a stream of leaves into the nodes over each page of them.
#[derive(Default)]
struct Pages {
    nodes: Vec<u8>,
    page: Accumulator,
    /// The beginning of a leaf that a piece did not hold whole.
    broken: Vec<u8>,
}

impl Pages {
    fn take(&mut self, mut piece: &[u8]) {
        if !self.broken.is_empty() {
            let (rest, after) = piece.split_at(piece.len().min(32 - self.broken.len()));
            self.broken.extend_from_slice(rest);
            piece = after;
            let Ok(leaf) = <[u8; 32]>::try_from(self.broken.as_slice()) else { return };
            self.broken.clear();
            self.push(leaf);
        }
        let (leaves, rest) = piece.as_chunks::<32>();
        for leaf in leaves {
            self.push(*leaf);
        }
        self.broken.extend_from_slice(rest);
    }

    fn push(&mut self, leaf: [u8; 32]) {
        self.page.push(Node::from_bytes(leaf));
        if self.page.len() == PAGE_LEAVES as u64 {
            self.close();
        }
    }

    fn close(&mut self) {
        if let Some(node) = std::mem::take(&mut self.page).root() {
            self.nodes.extend_from_slice(node.as_bytes());
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.close();
        self.nodes
    }
}

#[cfg(test)]
mod tests {
    use envelope::merkle::{PAGE_LEVEL, leaf, nodes_at_level, nodes_to_bytes};

    use super::*;

    #[test]
    fn pages_are_folded_the_same_however_the_leaves_arrive() {
        let leaves: Vec<Node> = (0..2_500_u32).map(|n| leaf(&n.to_be_bytes())).collect();
        let expected = nodes_to_bytes(&nodes_at_level(&leaves, PAGE_LEVEL));
        let bytes = nodes_to_bytes(&leaves);
        for size in [1, 31, 32, 33, 1_000, 32_768, bytes.len()] {
            let mut pages = Pages::default();
            bytes.chunks(size).for_each(|piece| pages.take(piece));
            assert_eq!(pages.finish(), expected, "{size}");
        }
    }
}
