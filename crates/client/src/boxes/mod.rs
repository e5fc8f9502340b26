//! Drop boxes of one's own: made, listed, closed. Sending into one begins in [`visit`].

mod visit;

pub use visit::BoxVisit;

use crate::http::retrying;
use crate::keys::Unlocked;
use crate::{Cancel, Client, Error, Quiet, Result};
use envelope::segment::BodyShape;
use envelope::{BoxDescription, BoxTerms};
use format::drop_box::{BoxAddress, BoxWords, NOTE_MAX, TITLE_MAX, box_id, longest_body, open_box, seal_box};
use proto::limits::BOX_MAX_SECONDS;
use proto::{B64, BoxId, BoxInfo, BoxList, MakeBox, paths};
use reqwest::Method;
use std::time::Duration;

/// What a box is to be.
#[derive(Clone, Debug)]
pub struct BoxWish {
    /// What visitors see first, 1 to 200 bytes. The server does not see it.
    pub title: String,
    /// What else visitors see, at most 3,000 bytes; may be empty. The server does not see it.
    pub note: String,
    /// Files that it takes; absent: any number.
    pub max_files: Option<u32>,
    /// Bytes of the longest file that it takes; absent: what the server takes.
    pub max_size: Option<u64>,
    /// How long it is open.
    pub expires_in: Duration,
}

/// A drop box of one's own. What is signed was checked; what came is the server's word.
#[derive(Debug)]
pub struct DropBox {
    /// Which box.
    pub box_id: BoxId,
    /// What visitors see first.
    pub title: String,
    /// What else they see.
    pub note: String,
    /// Unix seconds: when it was made.
    pub created: i64,
    /// Unix seconds: when it ends.
    pub ends: i64,
    /// Files that it takes; absent: any number.
    pub max_files: Option<u32>,
    /// Bytes of the longest file that it takes; absent: what the server takes.
    pub max_size: Option<u64>,
    /// Files that came so far, those that were removed since included.
    pub arrivals: u32,
    /// Uploads into it that are under way.
    pub under_way: u32,
    /// Whether it was closed.
    pub closed: bool,
    /// What is passed on to whoever is to send.
    pub address: BoxAddress,
}

/// All drop boxes of one's own.
#[derive(Debug, Default)]
pub struct Boxes {
    /// Those that verified, newest first.
    pub boxes: Vec<DropBox>,
    /// Those whose description is not one's own: nothing of them is shown but the id.
    pub refused: Vec<BoxId>,
}

impl Client {
    /// Makes a drop box: whoever has its address sends files that its owner alone opens, with an account or without.
    ///
    /// # Errors
    /// [`Error::BadLimit`].
    pub async fn make_box(&self, me: &Unlocked, wish: &BoxWish) -> Result<DropBox> {
        let inner = &self.inner;
        let identity = &me.vault.identity;
        let words = words(wish)?;
        let lives = i64::try_from(wish.expires_in.as_secs()).unwrap_or(i64::MAX);
        // An hour less than the server takes, for clocks that differ.
        if !(1..=BOX_MAX_SECONDS - 3_600).contains(&lives) {
            return Err(Error::BadLimit("a drop box is open for at least one second and at most 365 days"));
        }
        if wish.max_files == Some(0) {
            return Err(Error::BadLimit("a drop box that takes no file would be of no use"));
        }
        let max_body = match wish.max_size {
            None => 0,
            Some(most) => longest_body(most).ok_or(Error::BadLimit("no file is as large as that"))?,
        };
        let created = u64::try_from(inner.now()).unwrap_or(0);
        let terms = BoxTerms {
            box_id: box_id(),
            owner: identity.root_id(),
            created,
            ends: created.saturating_add(lives.unsigned_abs()),
            max_files: wish.max_files.unwrap_or(0),
            max_body,
        };
        let description = seal_box(identity, &terms, &words)
            .map_err(|_| Error::Internal("the description of a box could not be sealed"))?;
        let request = MakeBox { description: B64(description.as_bytes().to_vec()) };
        // The same request again changes nothing, so that one whose answer was lost is simply repeated.
        let made: BoxInfo = retrying(inner.options.retry_for, &Quiet, &Cancel::new(), || {
            inner.call(|server| server.request(Method::POST, paths::BOXES).json(&request))
        })
        .await?;
        self.read_box(me, made)
    }

    /// All drop boxes of one's own, newest first.
    pub async fn boxes(&self, me: &Unlocked) -> Result<Boxes> {
        let list: BoxList = self.inner.call(|server| server.request(Method::GET, paths::BOXES)).await?;
        let mut boxes = Boxes::default();
        for info in list.boxes {
            let id = info.box_id;
            match self.read_box(me, info) {
                Ok(read) => boxes.boxes.push(read),
                Err(error) if error.class() == crate::Class::Authentication => boxes.refused.push(id),
                Err(error) => return Err(error),
            }
        }
        Ok(boxes)
    }

    /// Closes a drop box for good. What came into it stays; what is under way into it ends.
    ///
    /// # Errors
    /// [`Error::BoxClosed`] if there is no such box of one's own that is not closed.
    pub async fn close_box(&self, id: BoxId) -> Result<()> {
        let path = paths::fill(paths::BOX, &[&id]);
        match self.inner.authed(|server| server.request(Method::DELETE, &path)).await {
            Ok(_) => Ok(()),
            Err(Error::NotFound) => Err(Error::BoxClosed),
            Err(error) => Err(error),
        }
    }

    /// What the server shows as a box of one's own, if one has signed it.
    fn read_box(&self, me: &Unlocked, info: BoxInfo) -> Result<DropBox> {
        let forged = || Error::NotAuthentic;
        let identity = &me.vault.identity;
        let description = BoxDescription::parse(info.description.0).map_err(|_| forged())?;
        let terms = *description.terms();
        let root = identity.root_keys().find(|key| crate::RootId::of(key) == terms.owner);
        let key = identity.box_key(terms.owner, terms.box_id).ok_or_else(forged)?;
        let words = open_box(&description, info.box_id, root.ok_or_else(forged)?, Some(&key))
            .ok()
            .flatten()
            .ok_or_else(forged)?;
        let server = self.inner.server()?;
        let address = BoxAddress::new(server.origin(), terms.box_id, Some(key), terms.owner)
            .map_err(|_| Error::ServerAddress(server.origin().to_owned()))?;
        Ok(DropBox {
            box_id: terms.box_id,
            title: words.title().to_owned(),
            note: words.note().to_owned(),
            created: seconds(terms.created),
            ends: seconds(terms.ends),
            max_files: Some(terms.max_files).filter(|most| *most > 0),
            max_size: max_size(&terms),
            arrivals: info.arrivals,
            under_way: info.under_way,
            closed: info.closed,
            address,
        })
    }
}

fn words(wish: &BoxWish) -> Result<BoxWords> {
    if !(1..=TITLE_MAX).contains(&wish.title.len()) {
        return Err(Error::BadLimit("the title of a drop box has 1 to 200 bytes"));
    }
    if wish.note.len() > NOTE_MAX {
        return Err(Error::BadLimit("the note of a drop box has at most 3,000 bytes"));
    }
    BoxWords::new(&wish.title, &wish.note)
        .map_err(|_| Error::BadLimit("title and note hold no control characters"))
}

/// Bytes of the longest file: every padded file of at most so many bytes makes a body that is taken.
fn max_size(terms: &BoxTerms) -> Option<u64> {
    let body = BodyShape::from_body_len(terms.max_body).ok().filter(|_| terms.max_body > 0)?;
    Some(body.plain_len())
}

fn seconds(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}
