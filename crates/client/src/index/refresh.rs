//! Keeping the index current: what the server says has changed is verified before it is put in.

use super::entry::{self, Entry, Passed, Signed, State};
use super::store::{Damaged, Index};
use crate::client::Inner;
use crate::files::{OpenFileInfo, with_query};
use crate::keys::Unlocked;
use crate::opener::Opener;
use crate::pins::Pins;
use crate::seen::Seen;
use crate::signed::SignedParts;
use crate::signers::{Giver, Signer};
use crate::{Address, Class, Error, FileId, Phase, Progress, Result, Role, RootId, Sender, Trust};
use envelope::Manifest;
use format::metadata::{Compression, Padding};
use proto::limits::PAGE_MAX;
use proto::{FileChanges, FileInfo, paths};
use rayon::prelude::*;
use reqwest::Method;
use std::collections::{HashMap, HashSet};

/// Newer rows that are held before they are written.
const HELD: usize = 4_000;
/// Senders whose keys are remembered while refreshing.
const AUTHORS_MAX: usize = 4_096;
/// Rows that one refreshing takes: far beyond any list, so that a server that never ends does.
const ROWS_MAX: u64 = 1 << 24;

/// Keys of senders that were judged while refreshing, by what the server showed of them.
#[derive(Default)]
struct Authors {
    known: HashMap<([u8; 32], RootId), Signer>,
}

/// What became of one file of a page.
enum Checked {
    /// With the newest roots of its author and of whoever passed it on.
    Opened(Box<OpenFileInfo>, RootId, RootId),
    Refused(FileId),
}

impl Inner {
    /// Takes in what changed. `true` if the server began again from the beginning although the index went further.
    pub(super) async fn refresh(
        &self,
        me: &Unlocked,
        index: &mut Index,
        progress: &dyn Progress,
    ) -> Result<bool, Damaged> {
        let (mut authors, mut passed) = (Authors::default(), HashSet::new());
        let (mut rows, mut restarted) = (0_u64, false);
        let mut since_commit = 0;
        loop {
            let page = self.changes(index.mark.cursor.clone()).await?;
            if page.restarted && index.mark.cursor.is_some() {
                if restarted {
                    return Err(self.server()?.odd("a list that begins again and again").into());
                }
                restarted = true;
                index.clear()?;
            }
            let more = page.more;
            let told = page.files.len() + page.gone.len();
            rows += told as u64;
            if told > PAGE_MAX as usize || (more && told == 0) || rows > ROWS_MAX {
                return Err(self.server()?.odd("a list without an end").into());
            }
            // A cursor that was there before would lead round in a circle.
            let next = crate::hash::sha256(&[page.next.as_bytes()]);
            if more && !passed.insert(next) {
                return Err(self.server()?.odd("a list that goes in a circle").into());
            }
            self.take_in(me, index, page.files, &mut authors).await?;
            for id in page.gone {
                index.put(id, entry::gone(id));
            }
            index.mark.cursor = Some(page.next);
            index.now = page.now;
            since_commit += told;
            if !more || since_commit >= HELD {
                tokio::task::block_in_place(|| index.commit())?;
                since_commit = 0;
            }
            if more || rows > u64::from(PAGE_MAX) {
                progress.progress(Phase::Listing, rows, None);
            }
            if !more {
                return Ok(restarted);
            }
        }
    }

    /// Asks for some files once more, one by one: those that were not trusted by the pins of then.
    pub(super) async fn verify_again(
        &self,
        me: &Unlocked,
        index: &mut Index,
        ids: &[FileId],
        progress: &dyn Progress,
    ) -> Result<(), Damaged> {
        let mut authors = Authors::default();
        for (n, id) in ids.iter().enumerate() {
            let path = paths::fill(paths::FILE, &[id]);
            match self.call::<FileInfo>(|server| server.request(Method::GET, &path)).await {
                Ok(info) if info.file_id == *id => self.take_in(me, index, vec![info], &mut authors).await?,
                Ok(_) => index.put(*id, Entry::refused(*id).write()),
                Err(Error::NotFound | Error::Expired) => index.put(*id, entry::gone(*id)),
                Err(error) => return Err(error.into()),
            }
            progress.progress(Phase::Listing, n as u64 + 1, Some(ids.len() as u64));
        }
        Ok(())
    }

    async fn changes(&self, after: Option<String>) -> Result<FileChanges> {
        let mut query = vec![("limit", PAGE_MAX.to_string())];
        query.extend(after.map(|after| ("after", after)));
        self.call(|server| server.request(Method::GET, &with_query(paths::CHANGES, &query))).await
    }

    /// Verifies files as if each had been asked for alone, and puts them into the index.
    async fn take_in(
        &self,
        me: &Unlocked,
        index: &mut Index,
        files: Vec<FileInfo>,
        authors: &mut Authors,
    ) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let pins = Pins::load(&self.home)?;
        let mut checked = Vec::with_capacity(files.len());
        let mut to_open = Vec::with_capacity(files.len());
        for info in files {
            let file_id = info.file_id;
            let author = match SignedParts::parse(info) {
                Ok(parts) if parts.is_unsigned() => Ok((parts, None)),
                Ok(parts) => authors.both(self, me, &parts).await.map(|both| (parts, Some(both))),
                Err(error) => Err(error),
            };
            match author {
                Ok(both) => to_open.push(both),
                Err(error) if is_refusal(&error) => checked.push(Checked::Refused(file_id)),
                Err(error) => return Err(error),
            }
        }
        checked.extend(tokio::task::block_in_place(|| open_all(me, to_open))?);
        let mut seen = Seen::load(&self.home)?;
        for one in checked {
            let (id, row) = match one {
                Checked::Opened(file, newest, passer) if seen.accept_listed(&file.manifest) => {
                    (file.info.file_id, row(&file, newest, passer, &pins)?)
                }
                Checked::Opened(file, ..) => (file.info.file_id, Entry::refused(file.info.file_id).write()),
                Checked::Refused(id) => (id, Entry::refused(id).write()),
            };
            index.mark.note_refusal(id, Entry::read(&row).is_some_and(|row| row.state == State::Refused));
            index.put(id, row);
        }
        self.remember(&seen).await
    }
}

/// Verifies and unwraps on all cores.
fn open_all(me: &Unlocked, files: Vec<(SignedParts, Option<(Signer, Giver)>)>) -> Result<Vec<Checked>> {
    files
        .into_par_iter()
        .map(|(parts, signers)| {
            let file_id = parts.info.file_id;
            let newest = signers.as_ref().map_or(RootId::ZERO, |(author, _)| author.newest_root());
            let passer = signers.as_ref().and_then(|(_, giver)| giver.passer());
            let passer = passer.map_or(RootId::ZERO, Signer::newest_root);
            let opened = match signers {
                Some((author, giver)) => parts.open(Opener::Person(me), author, giver, None),
                None => parts.open_unsigned(Opener::Person(me)),
            };
            match opened {
                Ok(file) => Ok(Checked::Opened(Box::new(file), newest, passer)),
                Err(error) if is_refusal(&error) => Ok(Checked::Refused(file_id)),
                Err(error) => Err(error),
            }
        })
        .collect()
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.class(), Class::Authentication | Class::Identity)
}

impl Authors {
    /// Who signed the file, and who its grant.
    async fn both(&mut self, inner: &Inner, me: &Unlocked, parts: &SignedParts) -> Result<(Signer, Giver)> {
        let author = self.of(inner, me, parts).await?;
        let giver = inner.giver(Opener::Person(me), &parts.info, &parts.grant, &author, false).await?;
        Ok((author, giver))
    }

    async fn of(&mut self, inner: &Inner, me: &Unlocked, parts: &SignedParts) -> Result<Signer> {
        let root = parts.manifest.author_root_id();
        // The account is part of what is judged: a bundle is its owner's alone.
        let shown = [parts.info.author.as_bytes().as_slice(), &parts.info.author_bundle.0];
        let key = (crate::hash::sha256(&shown), root);
        if let Some(author) = self.known.get(&key) {
            return Ok(author.clone());
        }
        let author = inner.author_of(Opener::Person(me), parts, false).await?;
        if self.known.len() >= AUTHORS_MAX {
            self.known.clear();
        }
        self.known.insert(key, author.clone());
        Ok(author)
    }
}

fn signed(sender: &Sender, newest: RootId, pins: &Pins) -> Result<Signed> {
    let pinned = match &sender.address {
        Some(address) => pins.root_of(address)?,
        None => None,
    };
    Ok(Signed { root: sender.root_id, newest, pinned, changed: sender.trust == Trust::Changed })
}

fn row(file: &OpenFileInfo, newest: RootId, passer: RootId, pins: &Pins) -> Result<Vec<u8>> {
    let (info, metadata, sender) = (&file.info, &file.opened.metadata, &file.sender);
    let passed = match &file.passed_by {
        None => None,
        Some(by) => Some(Passed {
            signed: signed(by, passer, pins)?,
            address: by.address.as_ref().map(Address::as_str).unwrap_or_default(),
        }),
    };
    let (revision, digest) = revision(&file.manifest);
    let row = Entry {
        file_id: info.file_id,
        state: State::Listed,
        revision,
        digest,
        role: if sender.trust == Trust::Own { Role::Author } else { Role::Recipient },
        compressed: metadata.compression != Compression::None,
        padded: metadata.padding != Padding::None,
        has_preview: metadata.preview.is_some(),
        bytes: metadata.original_size,
        body_len: file.opened.shape.body_len(),
        modified_ms: metadata.modified_ms,
        created: info.created,
        expires_at: info.expires_at,
        downloads: info.downloads,
        max_downloads: info.max_downloads.filter(|most| *most > 0),
        signed: signed(sender, newest, pins)?,
        passed,
        is_anonymous: sender.trust == Trust::Anonymous,
        box_id: info.box_id,
        name: metadata.name.as_str(),
        media_type: &metadata.media_type,
        address: sender.address.as_ref().map(Address::as_str).unwrap_or_default(),
    };
    Ok(row.write())
}

fn revision(manifest: &Manifest) -> (u64, [u8; 32]) {
    (manifest.revision(), manifest.digest())
}
