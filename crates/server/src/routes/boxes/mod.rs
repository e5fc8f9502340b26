//! Drop boxes: made, listed and closed by their owner; sent into by whoever has the address.

pub(crate) mod close;
pub(crate) mod list;
pub(crate) mod make;
pub(crate) mod view;
pub(crate) mod visit;

use db::{OpenBox, StoredBox};
use proto::{B64, BoxId, BoxInfo};

use crate::error::{Answer, Refusal};
use crate::state::App;

fn info(stored: StoredBox) -> BoxInfo {
    BoxInfo {
        box_id: stored.id,
        description: B64(stored.description),
        arrivals: stored.arrivals,
        under_way: stored.under_way,
        closed: stored.closed,
    }
}

/// An open box. Closed, ended, never made, or its owner suspended or gone: one answer.
async fn open(app: &App, id: BoxId) -> Answer<OpenBox> {
    app.db.open_box(id, app.time()).await?.ok_or_else(Refusal::not_found)
}
