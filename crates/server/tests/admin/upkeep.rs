//! Collecting, sweeping and scrubbing beside a running server.

use proto::paths;
use server::admin::{Damage, Damaged, Finding, Piece, ScrubReport};

use super::upkeep;
use crate::stage::Parcel;
use crate::stage::sealed::{MIB, alice_and_bob};
use crate::stage::server::files_below;

async fn scrubbed(stage: &crate::stage::Stage) -> (ScrubReport, Vec<Damaged>) {
    let upkeep = upkeep(stage).await;
    let mut found = Vec::new();
    let each = |finding: &Finding| match finding {
        Finding::Lost(damaged) => found.push(*damaged),
        Finding::Copy(copy) => panic!("there is one folder: {copy:?}"),
    };
    let report = upkeep.scrub(false, each).await.unwrap();
    upkeep.close().await;
    assert_eq!(report.damaged, found.len() as u64);
    (report, found)
}

#[tokio::test(flavor = "multi_thread")]
async fn collecting_need_not_wait_for_the_server_that_holds_the_lease() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(MIB + 1_000);
    let mut request = parcel.complete_request(&alice, &[&bob]);
    request.expires_in = 60;
    parcel.send_as(&stage, &alice, &request).await;
    // The server takes the lease for five minutes.
    stage.run_jobs().await;
    stage.later(60);
    let upkeep = upkeep(&stage).await;
    let report = upkeep.gc().await.unwrap();
    assert_eq!((report.done.expired_files, report.done.deleted_blobs, report.waiting_blobs), (1, 3, 0));
    assert_eq!(stage.stored_files(), 0);
    assert_eq!(upkeep.gc().await.unwrap(), server::admin::GcReport::default());
    // And gives it back: the server goes on at its next time.
    let second = Parcel::new(1_000);
    let mut request = second.complete_request(&alice, &[&bob]);
    request.expires_in = 60;
    second.send_as(&stage, &alice, &request).await;
    stage.later(60);
    assert_eq!(stage.run_jobs().await.expired_files, 1);
    upkeep.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scrubbing_names_every_piece_that_is_not_as_it_was_recorded_and_no_other() {
    let (stage, alice, bob) = alice_and_bob().await;
    let (large, small, open) = (Parcel::new(2 * MIB + 1_000), Parcel::new(1_000), Parcel::new(2 * MIB));
    large.send(&stage, &alice, &[&bob]).await;
    small.send(&stage, &alice, &[]).await;
    open.begin(&stage, &alice).await;
    open.put(&stage, &alice, 1).await;
    let (report, found) = scrubbed(&stage).await;
    assert!(found.is_empty(), "{found:?}");
    assert_eq!((report.files, report.blobs, report.bytes), (3, 6, 3 * MIB + 2_000 + 9 * 32));
    let blobs = stage.data.path().join("data/blobs");
    let holding = |bytes: &[u8]| find(&blobs, bytes).unwrap();
    let part = holding(large.part(1));
    let mut altered = large.part(1).to_vec();
    *altered.last_mut().unwrap() ^= 1;
    std::fs::write(&part, altered).unwrap();
    std::fs::remove_file(holding(open.part(1))).unwrap();
    let single = holding(&small.body);
    std::fs::write(&single, &small.body[..999]).unwrap();
    let leaves: Vec<_> = large.body.chunks(1 << 18).map(envelope::merkle::leaf).collect();
    let mut leaves = envelope::merkle::nodes_to_bytes(&leaves);
    let listed = holding(&leaves);
    leaves[40] ^= 1;
    std::fs::write(listed, leaves).unwrap();
    let (_, mut found) = scrubbed(&stage).await;
    let mut expected = vec![
        Damaged { file_id: large.file_id, piece: Piece::Part(1), damage: Damage::Altered },
        Damaged { file_id: large.file_id, piece: Piece::Leaves, damage: Damage::Altered },
        Damaged { file_id: small.file_id, piece: Piece::Part(0), damage: Damage::Length },
        Damaged { file_id: open.file_id, piece: Piece::Part(1), damage: Damage::Missing },
    ];
    let order = |one: &Damaged| (one.file_id, format!("{:?}", one.piece));
    found.sort_by_key(order);
    expected.sort_by_key(order);
    assert_eq!(found, expected);
    // The honest parts go on being given.
    let ticket = large.ticket(&stage, &bob).await;
    let path = paths::fill(paths::CONTENT, &[&large.file_id, &0]);
    assert_eq!(large.content(&stage, &ticket, &path, None).await.body, large.part(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_for_orphans_touches_nothing() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    let mut request = parcel.complete_request(&alice, &[]);
    request.expires_in = 30 * 86_400;
    parcel.send_as(&stage, &alice, &request).await;
    let shard = stage.data.path().join("data/blobs/00");
    std::fs::create_dir_all(&shard).unwrap();
    std::fs::write(shard.join("00".repeat(16)), b"left behind").unwrap();
    let upkeep = upkeep(&stage).await;
    let totals = upkeep.orphans(|blob| panic!("{:?} is too young", blob)).await.unwrap();
    assert_eq!((totals.orphans, totals.young), (0, 2));
    stage.later(2 * 86_400);
    let mut names = Vec::new();
    let totals = upkeep.orphans(|blob| names.push(blob.blob.name.to_string())).await.unwrap();
    assert_eq!((totals.orphans, totals.bytes, totals.young), (1, 11, 0));
    assert_eq!(names, ["00".repeat(16)]);
    assert_eq!(files_below(&stage.data.path().join("data/blobs")), 2);
    upkeep.close().await;
}

/// The file below a folder that holds exactly these bytes.
fn find(folder: &std::path::Path, bytes: &[u8]) -> Option<std::path::PathBuf> {
    std::fs::read_dir(folder).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, bytes)
        } else {
            (std::fs::read(&path).unwrap() == bytes).then_some(path)
        }
    })
}
