//! Copies in several folders: one may be lost, one may be damaged, and everything still opens.

use std::path::{Path, PathBuf};

use server::admin::{Damage, Finding, Mended, ScrubReport};

use super::*;
use crate::stage::sealed::node_of;
use crate::stage::server::files_below;

/// A server over three folders, two of which hold each blob.
struct Three {
    stage: Stage,
    alice: Person,
    bob: Person,
}

impl Three {
    async fn new() -> Self {
        let stage = Stage::with(|config| {
            let data = config.storage.data.clone();
            config.storage.parts.blobs = folders(&data);
        })
        .await;
        let (alice, bob) = alice_and_bob_at(&stage).await;
        Self { stage, alice, bob }
    }

    fn folders(&self) -> Vec<PathBuf> {
        folders(&self.stage.data.path().join("data"))
    }

    async fn scrubbed(&self, repair: bool) -> (ScrubReport, Vec<Finding>) {
        let mut config = Config::for_data(self.stage.data.path().join("data"));
        config.storage.parts.blobs = self.folders();
        let upkeep = Upkeep::open(&config).await.unwrap().with_clock(self.stage.clock.clone());
        let mut findings = Vec::new();
        let report = upkeep.scrub(repair, |finding| findings.push(finding.clone())).await.unwrap();
        upkeep.close().await;
        assert_eq!(report.damaged + report.bad_copies, findings.len() as u64);
        (report, findings)
    }
}

fn folders(data: &Path) -> Vec<PathBuf> {
    ["one", "two", "three"].map(|name| data.join(name)).into()
}

/// Where a part lies, among the folders.
fn copies_of(folders: &[PathBuf], part: &[u8]) -> Vec<PathBuf> {
    folders.iter().filter_map(|folder| find(folder, part)).collect()
}

fn find(folder: &Path, bytes: &[u8]) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries.into_iter().find_map(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => find(&path, bytes),
            false => (std::fs::read(&path).unwrap() == bytes).then_some(path),
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_is_in_two_of_three_folders_the_own_one_first() {
    let three = Three::new().await;
    let parcel = Parcel::new(LARGE);
    parcel.send(&three.stage, &three.alice, &[&three.bob]).await;
    let folders = three.folders();
    for n in 0..parcel.part_count() {
        let copies = copies_of(&folders, parcel.part(n));
        assert_eq!(copies.len(), 2, "{n}");
        assert!(copies[0].starts_with(&folders[0]), "{copies:?}");
    }
    let (report, _) = three.scrubbed(false).await;
    assert_eq!((report.blobs, report.damaged, report.bad_copies), (4, 0, 0));
    deleted(&three.stage, &three.alice, &parcel).await;
    assert_eq!(three.stage.run_jobs().await.deleted_blobs, 4);
    assert_eq!(folders.iter().map(|folder| files_below(folder)).sum::<usize>(), 0, "every copy is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_folder_lost_and_a_copy_in_another_damaged_everything_opens_and_scrub_repairs_it() {
    let three = Three::new().await;
    let mut parcels = Vec::new();
    for len in [LARGE, SMALL, LARGE, LARGE] {
        let parcel = Parcel::new(len);
        parcel.send(&three.stage, &three.alice, &[&three.bob]).await;
        parcels.push(parcel);
    }
    let folders = three.folders();
    // The one that is lost is not the own one; the damaged copy is of a part whose other copy is in neither.
    std::fs::remove_dir_all(&folders[1]).unwrap();
    let (damaged, n, copies) = parcels
        .iter()
        .flat_map(|parcel| (0..parcel.part_count()).map(move |n| (parcel, n)))
        .map(|(parcel, n)| (parcel, n, copies_of(&folders, parcel.part(n))))
        .find(|(.., copies)| copies.len() == 2)
        .unwrap();
    let mut bytes = damaged.part(n).to_vec();
    bytes[100] ^= 1;
    std::fs::write(&copies[0], bytes).unwrap();
    for parcel in &parcels {
        for n in 0..parcel.part_count() {
            let sound = sound_part(&three, parcel, n).await;
            assert_eq!(node_of(&sound), node_of(parcel.part(n)));
        }
    }
    let (seen, findings) = three.scrubbed(false).await;
    assert!(seen.bad_copies > 1 && seen.damaged == 0 && seen.repaired == 0 && !seen.is_whole(), "{seen:?}");
    let altered = findings.iter().filter(|finding| match finding {
        Finding::Copy(copy) => copy.of.damage == Damage::Altered && copy.mended == Mended::NotTried,
        Finding::Lost(_) => false,
    });
    assert_eq!(altered.count(), 1);
    let (mended, findings) = three.scrubbed(true).await;
    assert_eq!((mended.bad_copies, mended.repaired), (seen.bad_copies, seen.bad_copies));
    assert!(mended.is_whole());
    assert!(
        findings.iter().all(|finding| matches!(finding, Finding::Copy(copy) if copy.mended == Mended::Done))
    );
    let (after, findings) = three.scrubbed(false).await;
    assert_eq!((after.damaged, after.bad_copies, findings), (0, 0, Vec::new()));
    for parcel in &parcels {
        opens(&three.stage, &three.bob, parcel).await;
        for n in 0..parcel.part_count() {
            assert_eq!(copies_of(&folders, parcel.part(n)).len(), 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_folder_is_away_scrub_writes_its_copies_into_another() {
    let three = Three::new().await;
    let parcels = [Parcel::new(LARGE), Parcel::new(LARGE), Parcel::new(LARGE)];
    for parcel in &parcels {
        parcel.send(&three.stage, &three.alice, &[&three.bob]).await;
    }
    let folders = three.folders();
    // Not empty, but no folder any more: nothing can be read there or written.
    std::fs::remove_dir_all(&folders[1]).unwrap();
    std::fs::write(&folders[1], b"a disk that is gone").unwrap();
    let (first, findings) = three.scrubbed(true).await;
    assert!(first.repaired > 0 && first.damaged == 0, "{first:?}");
    assert!(!first.is_whole(), "a folder is away");
    assert!(
        findings.iter().any(
            |finding| matches!(finding, Finding::Copy(copy) if matches!(copy.mended, Mended::Failed(_)))
        )
    );
    let parts = || parcels.iter().flat_map(|parcel| (0..parcel.part_count()).map(move |n| parcel.part(n)));
    for part in parts() {
        assert_eq!(copies_of(&[folders[0].clone(), folders[2].clone()], part).len(), 2);
    }
    let (again, _) = three.scrubbed(true).await;
    assert_eq!((again.repaired, again.damaged), (0, 0), "there are enough copies");
}

/// A part as a client gets it that holds it against its node, and asks for it checked where it is another.
async fn sound_part(three: &Three, parcel: &Parcel, n: u32) -> Vec<u8> {
    let ticket = parcel.ticket(&three.stage, &three.bob).await;
    let path = proto::paths::fill(proto::paths::CONTENT, &[&parcel.file_id, &n]);
    let reply = parcel.content(&three.stage, &ticket, &path, None).await;
    assert_eq!(reply.status, 200);
    if node_of(&reply.body) == node_of(parcel.part(n)) {
        return reply.body.to_vec();
    }
    let request = three.stage.request(reqwest::Method::GET, &path).header(proto::headers::TICKET, ticket);
    let reply = send(request.header(proto::headers::WAY, proto::headers::CHECKED)).await;
    assert_eq!(reply.status, 200);
    reply.body.to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_without_a_sound_copy_is_named_and_nothing_is_written_over_it() {
    let three = Three::new().await;
    let parcel = Parcel::new(SMALL);
    parcel.send(&three.stage, &three.alice, &[&three.bob]).await;
    for copy in copies_of(&three.folders(), &parcel.body) {
        std::fs::write(copy, vec![7; parcel.body.len()]).unwrap();
    }
    let (report, findings) = three.scrubbed(true).await;
    assert_eq!((report.damaged, report.bad_copies, report.is_whole()), (1, 0, false));
    assert!(matches!(&findings[..], [Finding::Lost(lost)] if lost.damage == Damage::Altered), "{findings:?}");
}
