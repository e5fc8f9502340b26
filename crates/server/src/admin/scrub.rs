//! Reading everything that is stored against what was recorded, every copy of it, and writing damaged copies anew.

use std::path::PathBuf;

use blobs::BlobName;
use proto::FileId;

use super::{AdminError, Upkeep};
use crate::stored::{Damage, Piece, ReadError, Recorded, RecordedFile, Recordings, worse};
use crate::stores::{Copies, Folder};

/// A piece that is not as it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Of which file or open upload.
    pub file_id: FileId,
    /// Which piece.
    pub piece: Piece,
    /// What is wrong with it.
    pub damage: Damage,
}

/// A copy that is not as it was recorded, or not there, while another copy is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCopy {
    /// Of which piece, and what is wrong with this copy of it.
    pub of: Damaged,
    /// In which folder.
    pub folder: PathBuf,
    /// What came of writing it anew.
    pub mended: Mended,
}

/// What came of writing a copy anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mended {
    /// Nobody asked for it.
    NotTried,
    /// It is sound now.
    Done,
    /// It could not be written.
    Failed(String),
}

/// What a scrub finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// No sound copy of a piece is left.
    Lost(Damaged),
    /// A copy of a piece that can still be read.
    Copy(BadCopy),
}

/// What a scrub read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Files and open uploads.
    pub files: u64,
    /// Blobs.
    pub blobs: u64,
    /// Octets that were recorded of them.
    pub bytes: u64,
    /// Pieces of which no sound copy is left.
    pub damaged: u64,
    /// Copies that were damaged or missing while another was sound.
    pub bad_copies: u64,
    /// Those of them that were written anew.
    pub repaired: u64,
}

impl ScrubReport {
    /// Whether everything is as it should be now.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damaged == 0 && self.bad_copies == self.repaired
    }
}

/// How it stands with one copy.
enum Copy {
    Sound,
    Absent,
    Bad(Damage),
}

impl Upkeep {
    /// Reads every stored blob and hashes it against what was recorded; gives what is damaged or missing to `each`. Where several
    /// folders hold copies, each copy is read, and with `repair` damaged and missing ones are written anew from a sound one. A
    /// few MiB of memory, however much is stored.
    ///
    /// # Errors
    /// The database; a blob that cannot be read is a finding.
    pub async fn scrub(
        &self,
        repair: bool,
        mut each: impl FnMut(&Finding),
    ) -> Result<ScrubReport, AdminError> {
        let mut report = ScrubReport::default();
        let mut files = Recordings::of(&*self.db);
        while let Some(file) = files.next().await? {
            report.files += 1;
            if !file.fits && self.is_still_a_file(&file).await? {
                report.damaged += 1;
                let damaged = Damaged { file_id: file.file_id, piece: Piece::Whole, damage: Damage::Rows };
                each(&Finding::Lost(damaged));
            }
            for recorded in file.blobs {
                report.blobs += 1;
                report.bytes += recorded.len;
                for finding in self.look(file.file_id, recorded, repair).await? {
                    match &finding {
                        Finding::Lost(_) => report.damaged += 1,
                        Finding::Copy(copy) => {
                            report.bad_copies += 1;
                            report.repaired += u64::from(copy.mended == Mended::Done);
                        }
                    }
                    each(&finding);
                }
            }
        }
        Ok(report)
    }

    /// What is wrong with one blob. Its file may end while it is read, and it may be moved: then it is looked for once more.
    async fn look(
        &self,
        file_id: FileId,
        recorded: Recorded,
        repair: bool,
    ) -> Result<Vec<Finding>, AdminError> {
        let found = self.look_once(file_id, &recorded, repair).await?;
        if found.is_empty() {
            return Ok(found);
        }
        match self.recorded_now(file_id, recorded.piece).await? {
            None => Ok(Vec::new()),
            Some(blob) if blob == recorded.blob => Ok(found),
            Some(blob) => self.look_once(file_id, &Recorded { blob, ..recorded }, repair).await,
        }
    }

    async fn look_once(
        &self,
        file_id: FileId,
        recorded: &Recorded,
        repair: bool,
    ) -> Result<Vec<Finding>, AdminError> {
        let of = |damage| Damaged { file_id, piece: recorded.piece, damage };
        let place = recorded.place();
        let copies = place.and_then(|place| self.stores.shelf(place.store).ok()?.copies.as_ref());
        let (Some(place), Some(copies)) = (place, copies) else {
            let damage = recorded.check(&self.stores, None).await?;
            return Ok(damage.map(of).map(Finding::Lost).into_iter().collect());
        };
        let standing = standing(recorded, place.name, copies).await?;
        let Some(sound) = standing.iter().position(|copy| matches!(copy, Copy::Sound)) else {
            let damage = standing.iter().fold(None, |known, copy| match copy {
                Copy::Bad(damage) => worse(known, *damage),
                _ => known,
            });
            return Ok(vec![Finding::Lost(of(damage.unwrap_or(Damage::Missing)))]);
        };
        let from = &copies.folders[sound];
        let mut findings = Vec::new();
        let mut there = standing.iter().filter(|copy| matches!(copy, Copy::Sound)).count();
        for (damage, folder) in to_mend(&standing, copies) {
            // A folder without a copy is none that lacks one, where enough others have it.
            if damage == Damage::Missing && there >= copies.wanted {
                continue;
            }
            let mended = match repair {
                false => Mended::NotTried,
                true => mend(recorded, place.name, from, folder, damage).await?,
            };
            // What cannot even be read is in a folder that is away: another one has to take its place.
            let counts = match &mended {
                Mended::Done => true,
                Mended::NotTried => damage != Damage::Unreadable,
                Mended::Failed(_) => false,
            };
            there += usize::from(counts);
            findings.push(Finding::Copy(BadCopy { of: of(damage), folder: folder.path.clone(), mended }));
        }
        Ok(findings)
    }

    /// Where a piece is recorded to be now; `None` if its file has ended.
    pub(super) async fn recorded_now(
        &self,
        file_id: FileId,
        piece: Piece,
    ) -> Result<Option<db::BlobRef>, AdminError> {
        Ok(match piece {
            Piece::Part(n) => self.db.part(file_id, n).await?.map(|part| part.blob),
            Piece::Leaves | Piece::Whole => {
                self.db.file_layout(file_id).await?.and_then(|layout| layout.leaves_blob)
            }
        })
    }

    /// Whether a file whose rows contradict each other is there still; its rows were read one after the other.
    async fn is_still_a_file(&self, file: &RecordedFile) -> Result<bool, AdminError> {
        Ok(self.db.file_layout(file.file_id).await?.is_some())
    }
}

/// Reads the copy in each folder.
async fn standing(recorded: &Recorded, name: BlobName, copies: &Copies) -> Result<Vec<Copy>, ReadError> {
    let mut standing = Vec::with_capacity(copies.folders.len());
    for folder in &copies.folders {
        standing.push(match recorded.check_in(&*folder.blobs, name, None).await? {
            None => Copy::Sound,
            Some(Damage::Missing) => Copy::Absent,
            Some(damage) => Copy::Bad(damage),
        });
    }
    Ok(standing)
}

/// Damaged copies, and behind them the folders without one, which can take what is missing then.
fn to_mend<'a>(standing: &[Copy], copies: &'a Copies) -> Vec<(Damage, &'a Folder)> {
    let folders = || standing.iter().zip(&copies.folders);
    let bad = folders().filter_map(|(copy, folder)| match copy {
        Copy::Bad(damage) => Some((*damage, folder)),
        _ => None,
    });
    let absent = folders().filter(|(copy, _)| matches!(copy, Copy::Absent));
    bad.chain(absent.map(|(_, folder)| (Damage::Missing, folder))).collect()
}

/// Writes a copy anew and reads it once more.
async fn mend(
    recorded: &Recorded,
    name: BlobName,
    from: &Folder,
    to: &Folder,
    damage: Damage,
) -> Result<Mended, AdminError> {
    let failed = |error: blobs::BlobError| Ok(Mended::Failed(crate::logging::chain(&error)));
    if damage != Damage::Missing
        && let Err(error) = to.blobs.delete(name).await
    {
        return failed(error);
    }
    match recorded.copy(&[&*from.blobs], name, &*to.blobs, name).await {
        Ok(None) => {}
        Ok(Some(damage)) => {
            return Ok(Mended::Failed(format!("the sound copy is {} by now", damage.as_str())));
        }
        Err(ReadError::Copy(error)) => return failed(error),
        Err(error) => return Err(error.into()),
    }
    Ok(match recorded.check_in(&*to.blobs, name, None).await? {
        None => Mended::Done,
        Some(damage) => Mended::Failed(format!("what was written is {}", damage.as_str())),
    })
}
