//! Durability, faults and modes of the local driver.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use bytes::Bytes;

use super::*;
use crate::conformance::{fetch, put, sample};

/// What happened on the disk, in order; `fail` makes the n-th operation fail with this error.
#[derive(Clone, Default)]
struct Recorder {
    done: Arc<Mutex<Vec<String>>>,
    fail: Arc<Mutex<Option<(&'static str, io::ErrorKind)>>>,
}

struct RecordingDisk(Recorder);

impl Recorder {
    fn note(&self, what: &str, path: Option<&Path>) -> io::Result<()> {
        if let Some((operation, kind)) = *self.fail.lock().unwrap()
            && operation == what
        {
            return Err(kind.into());
        }
        let short = |path: &Path| {
            let last = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if last.len() == 32 {
                "BLOB".to_owned()
            } else if last.len() == 2 {
                "FOLDER".to_owned()
            } else {
                "ROOT".to_owned()
            }
        };
        let line = path.map_or_else(|| what.to_owned(), |path| format!("{what} {}", short(path)));
        self.done.lock().unwrap().push(line);
        Ok(())
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.done.lock().unwrap())
    }
}

impl Disk for RecordingDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.0.note("create", Some(path))?;
        RealDisk.create(path)
    }
    fn direct(&self, path: &Path) -> io::Result<File> {
        self.0.note("direct", None)?;
        RealDisk.direct(path)
    }
    fn write(&self, file: &File, offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        self.0.note("write", None)?;
        RealDisk.write(file, offset, pieces)
    }
    fn start_writeback(&self, file: &File, offset: u64, len: u64) {
        RealDisk.start_writeback(file, offset, len);
    }
    fn sync_file(&self, file: &File) -> io::Result<()> {
        self.0.note("sync file", None)?;
        RealDisk.sync_file(file)
    }
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.0.note("make", Some(path))?;
        RealDisk.make_folder(path)
    }
    fn publish(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.note("rename", Some(to))?;
        RealDisk.publish(from, to)
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.0.note("sync", Some(path))?;
        RealDisk.sync_folder(path)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.note("remove", Some(path))?;
        RealDisk.remove(path)
    }
}

async fn recorded() -> (tempfile::TempDir, LocalBlobs, Recorder) {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    let disk = Box::new(RecordingDisk(recorder.clone()));
    let blobs = LocalBlobs::open_on(folder.path().join("blobs"), disk).await.unwrap();
    recorder.take();
    (folder, blobs, recorder)
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_name_becomes_visible_only_after_its_octets_are_durable() {
    let (_folder, blobs, recorder) = recorded().await;
    let name = BlobName::from_bytes([7; 16]);
    put(&blobs, name, b"sealed", 6).await.unwrap();
    let order =
        ["create BLOB", "write", "sync file", "make FOLDER", "sync ROOT", "rename BLOB", "sync FOLDER"];
    assert_eq!(recorder.take(), order);
    // The folder is durable by now; everything else comes again.
    let mut sibling = [7; 16];
    sibling[15] = 8;
    put(&blobs, BlobName::from_bytes(sibling), b"sealed", 6).await.unwrap();
    assert_eq!(recorder.take(), ["create BLOB", "write", "sync file", "rename BLOB", "sync FOLDER"]);
}

#[tokio::test]
async fn blobs_written_together_become_visible_only_after_all_are_durable() {
    let (_folder, blobs, recorder) = recorded().await;
    let together = [[7; 16], [8; 16]].map(|name| (BlobName::from_bytes(name), Bytes::from_static(b"sealed")));
    blobs.put_all(together.to_vec()).await.unwrap();
    let order = ["create BLOB", "write", "create BLOB", "write", "sync file", "sync file"];
    let mut done = recorder.take();
    let names = done.split_off(order.len());
    assert_eq!(done, order);
    let name = ["make FOLDER", "sync ROOT", "rename BLOB"];
    assert_eq!(names, [&name[..], &name, &["sync FOLDER", "sync FOLDER"]].concat());
}

#[tokio::test]
async fn blobs_written_together_leave_nothing_when_a_sync_fails() {
    for step in ["write", "sync file", "make", "rename"] {
        let (folder, blobs, recorder) = recorded().await;
        *recorder.fail.lock().unwrap() = Some((step, io::ErrorKind::StorageFull));
        let name = BlobName::generate();
        let outcome = blobs.put_all(vec![(name, Bytes::from_static(b"sealed"))]).await;
        assert!(matches!(outcome, Err(BlobError::StorageFull)), "{step}");
        assert_eq!(blobs.len(name).await.unwrap(), None, "{step}");
        assert_eq!(files_in(&folder.path().join("blobs/tmp")), 0, "{step} left a temporary file");
    }
}

#[tokio::test]
async fn a_failed_sync_publishes_nothing() {
    for step in ["write", "sync file", "make", "rename"] {
        let (folder, blobs, recorder) = recorded().await;
        *recorder.fail.lock().unwrap() = Some((step, io::ErrorKind::StorageFull));
        let name = BlobName::generate();
        assert!(matches!(put(&blobs, name, b"sealed", 6).await, Err(BlobError::StorageFull)), "{step}");
        assert_eq!(blobs.len(name).await.unwrap(), None, "{step}");
        assert_eq!(files_in(&folder.path().join("blobs/tmp")), 0, "{step} left a temporary file");
    }
}

#[tokio::test]
async fn a_failed_sync_of_the_folder_is_not_acknowledged() {
    let (_folder, blobs, recorder) = recorded().await;
    put(&blobs, BlobName::from_bytes([1; 16]), b"makes the folder", 99).await.unwrap();
    let mut writer = blobs.create(BlobName::from_bytes([1; 16])).await.unwrap();
    writer.write(Bytes::from_static(b"x")).await.unwrap();
    drop(writer);
    *recorder.fail.lock().unwrap() = Some(("sync", io::ErrorKind::Other));
    let mut other = [1; 16];
    other[1] = 2;
    assert!(matches!(put(&blobs, BlobName::from_bytes(other), b"x", 1).await, Err(BlobError::Io(_))));
}

/// A piece of `len` octets that begins at a page's edge plus `shift`.
fn lying(len: usize, shift: usize) -> Bytes {
    struct Lying(Vec<u8>, Range<usize>);
    impl AsRef<[u8]> for Lying {
        fn as_ref(&self) -> &[u8] {
            &self.0[self.1.clone()]
        }
    }
    let mut room = vec![0; len + 2 * crate::DIRECT_ALIGN];
    let from = room.as_ptr().align_offset(crate::DIRECT_ALIGN) + shift;
    room[from..from + len].copy_from_slice(&sample(len));
    Bytes::from_owner(Lying(room, from..from + len))
}

#[tokio::test]
async fn pieces_that_lie_right_go_past_the_page_cache_and_all_arrive() {
    for (shift, len, wants_direct) in [(0, 1 << 20, true), (1, 1 << 20, false), (0, 5_000, false)] {
        let (_folder, blobs, recorder) = recorded().await;
        let name = BlobName::generate();
        let mut writer = blobs.create(name).await.unwrap();
        let mut whole = Vec::new();
        for piece in [lying(len, shift), lying(1 << 20, shift), lying(777, 0)] {
            whole.extend_from_slice(&piece);
            writer.write(piece).await.unwrap();
        }
        writer.commit().await.unwrap();
        assert_eq!(recorder.take().contains(&"direct".to_owned()), wants_direct, "{shift} {len}");
        assert!(fetch(&blobs, name, 0..whole.len() as u64).await.unwrap() == whole, "{shift} {len}");
    }
}

#[tokio::test]
async fn a_file_system_without_direct_writes_is_written_as_usual_and_asked_once() {
    let (_folder, blobs, recorder) = recorded().await;
    *recorder.fail.lock().unwrap() = Some(("direct", io::ErrorKind::InvalidInput));
    for _ in 0..2 {
        let name = BlobName::generate();
        let mut writer = blobs.create(name).await.unwrap();
        writer.write(lying(3 << 20, 0)).await.unwrap();
        writer.commit().await.unwrap();
        assert!(fetch(&blobs, name, 0..3 << 20).await.unwrap() == sample(3 << 20));
    }
    assert!(!blobs.store.may_write_direct());
}

#[tokio::test]
async fn after_a_failed_write_a_writer_stays_broken() {
    let (folder, blobs, recorder) = recorded().await;
    let mut writer = blobs.create(BlobName::generate()).await.unwrap();
    *recorder.fail.lock().unwrap() = Some(("write", io::ErrorKind::StorageFull));
    // The error of the first batch is seen while a later one is handed over.
    let mut failed = false;
    for _ in 0..3 {
        failed |= writer.write(Bytes::from(sample(1 << 20))).await.is_err();
    }
    assert!(failed);
    *recorder.fail.lock().unwrap() = None;
    assert!(matches!(writer.write(Bytes::from_static(b"x")).await, Err(BlobError::Broken)));
    assert!(matches!(writer.commit().await, Err(BlobError::Broken)));
    assert_eq!(files_in(&folder.path().join("blobs/tmp")), 0);
}

#[tokio::test]
async fn leftovers_of_a_killed_process_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = LocalBlobs::open(folder.path()).await.unwrap();
    let mut writer = blobs.create(BlobName::generate()).await.unwrap();
    writer.write(Bytes::from(sample(2 << 20))).await.unwrap();
    // What kill -9 does: the writer never gets to clean up.
    std::mem::forget(writer);
    drop(blobs);
    let blobs = LocalBlobs::open(folder.path()).await.unwrap();
    assert_eq!(files_in(&folder.path().join("tmp")), 1);
    assert_eq!(blobs.sweep_temporary(Duration::from_secs(3600)).await.unwrap(), 0, "too young");
    assert_eq!(blobs.sweep_temporary(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(files_in(&folder.path().join("tmp")), 0);
}

#[tokio::test]
async fn blobs_are_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let (name, bytes) = (BlobName::generate(), sample(1_234_567));
    put(&LocalBlobs::open(folder.path()).await.unwrap(), name, &bytes, 1 << 20).await.unwrap();
    let again = LocalBlobs::open(folder.path()).await.unwrap();
    assert!(fetch(&again, name, 0..1_234_567).await.unwrap() == bytes);
}

#[tokio::test]
async fn nobody_else_may_look() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("deep/blobs");
    let blobs = LocalBlobs::open(&root).await.unwrap();
    let name = BlobName::generate();
    put(&blobs, name, b"sealed", 6).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let text = name.to_string();
    for private in [root.clone(), root.join("tmp"), root.join(&text[..2])] {
        assert_eq!(mode(&private), 0o700);
    }
    assert_eq!(mode(&root.join(&text[..2]).join(&text)), 0o600);
}

#[tokio::test]
async fn a_blob_cut_short_on_disk_is_an_error_and_not_a_short_answer() {
    use futures::TryStreamExt;
    let folder = tempfile::tempdir().unwrap();
    let blobs = LocalBlobs::open(folder.path()).await.unwrap();
    let name = BlobName::generate();
    put(&blobs, name, &sample(3 << 20), 1 << 20).await.unwrap();
    let stream = blobs.read(name, 0..3 << 20).await.unwrap();
    File::options().write(true).open(blobs.store.path(name)).unwrap().set_len(1 << 20).unwrap();
    let read: Result<Vec<Bytes>, BlobError> = stream.try_collect().await;
    assert!(matches!(read, Err(BlobError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof));
}

#[tokio::test]
async fn foreign_files_in_the_folder_are_left_alone() {
    use futures::TryStreamExt;
    let folder = tempfile::tempdir().unwrap();
    let blobs = LocalBlobs::open(folder.path()).await.unwrap();
    std::fs::create_dir(folder.path().join("ab")).unwrap();
    std::fs::write(folder.path().join("ab/README"), "not a blob").unwrap();
    let listed: Vec<ListedBlob> = blobs.list().await.unwrap().try_collect().await.unwrap();
    assert_eq!(listed, []);
    assert!(folder.path().join("ab/README").exists());
}

#[tokio::test]
async fn a_folder_that_was_removed_is_made_anew_by_the_next_write() {
    let at = tempfile::tempdir().unwrap();
    let root = at.path().join("blobs");
    let blobs = LocalBlobs::open(&root).await.unwrap();
    let name = BlobName::from_bytes([1; 16]);
    put(&blobs, name, b"lost", 4).await.unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(blobs.len(name).await.unwrap(), None);
    put(&blobs, name, b"again", 5).await.unwrap();
    assert_eq!(fetch(&blobs, name, 0..5).await.unwrap(), b"again");
    std::fs::remove_dir_all(root.join("01")).unwrap();
    put(&blobs, name, b"and again", 5).await.unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(blobs.sweep_temporary(Duration::ZERO).await.unwrap(), 0);
    std::fs::remove_dir_all(&root).unwrap();
    blobs.health().await.unwrap();
    blobs.put_all(vec![(name, Bytes::from_static(b"last"))]).await.unwrap();
}

#[tokio::test]
async fn a_file_that_was_removed_while_it_was_written_may_be_sent_again() {
    let at = tempfile::tempdir().unwrap();
    let blobs = LocalBlobs::open(at.path()).await.unwrap();
    let mut writer = blobs.create(BlobName::generate()).await.unwrap();
    writer.write(Bytes::from(sample(3_000_000))).await.unwrap();
    std::fs::remove_dir_all(at.path().join("tmp")).unwrap();
    writer.write(Bytes::from(sample(3_000_000))).await.unwrap();
    assert!(writer.commit().await.unwrap_err().is_transient());
    assert!(blobs.store.may_write_direct(), "a missing file says nothing of the file system");
}

#[tokio::test]
async fn a_store_that_is_read_alone_is_never_made_anew() {
    let at = tempfile::tempdir().unwrap();
    let root = at.path().join("blobs");
    let blobs = LocalBlobs::open_to_read(&root);
    assert!(blobs.health().await.is_err() && blobs.create(BlobName::generate()).await.is_err());
    assert!(!root.exists());
}

#[tokio::test]
async fn another_file_system_in_its_place_is_not_taken_for_an_empty_store() {
    let at = tempfile::tempdir().unwrap();
    let root = at.path().join("blobs");
    let blobs = LocalBlobs::on(root.clone(), Box::new(RealDisk));
    blobs.store.make_root().unwrap();
    // The number of a device that is not this one, as after a mount that is gone.
    blobs.store.device.set(u64::MAX).unwrap();
    std::fs::remove_dir_all(root.join("tmp")).unwrap();
    assert!(matches!(blobs.health().await, Err(BlobError::Io(_))));
    assert!(!root.join("tmp").exists());
}
