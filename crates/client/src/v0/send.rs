//! Sending by the documented API: sealed in the compatible older way while it is sent, in bounded memory.

use crate::client::Inner;
use crate::send::plan::SourceFile;
use crate::{Address, Cancel, Client, Error, FileId, Phase, Progress, Result, RsaPublicKey};
use bytes::Bytes;
use envelope::Bundle;
use envelope::bundle::{KeyAlgorithm, KeyUsage};
use format::v0::{FILE_MAX, Sealer, TAG_LEN};
use futures::stream;
use proto::paths;
use proto::v0::base64::{self, Encoder, encoded_len};
use proto::v0::{TAIL, Uploaded};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Bytes that are sealed at a time: a multiple of three, so that each gives whole base64.
const PIECE: usize = 192 << 10;
/// Pieces between the thread that seals and the connection.
const WAITING: usize = 4;
/// Seconds of an hour, which lifetimes are counted in.
const HOUR: u64 = 3_600;

/// What to send, and to whom.
#[derive(Clone, Debug)]
pub struct SendV0 {
    /// A regular file of at most 500 MiB.
    pub path: PathBuf,
    /// The name that the server and the recipient see; absent: the file's own.
    pub name: Option<String>,
    /// Who may fetch it.
    pub to: Vec<Address>,
    /// The key that opens it; absent: the one that the only recipient has published for this.
    pub to_key: Option<RsaPublicKey>,
    /// How long it lives; rounded up to whole hours.
    pub expires_in: Duration,
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentV0 {
    /// Id.
    pub file_id: FileId,
    /// The name that the server was told.
    pub name: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Unix seconds.
    pub expires_at: i64,
}

impl Client {
    /// Seals a file in the compatible older way (v0) and sends it by the documented API. It is not signed, and the server is
    /// told its name, its size and who may fetch it. Not resumed: what breaks off is sent again from its start.
    ///
    /// # Errors
    /// [`Error::CompatRefused`] if a recipient takes only signed files; [`Error::NoCompatKey`] without a key for it;
    /// [`Error::CompatTooLong`]; [`Error::SourceChanged`] if the file changes meanwhile; the `Identity…` errors.
    pub async fn send_v0(&self, request: SendV0, progress: &dyn Progress, cancel: &Cancel) -> Result<SentV0> {
        let inner = &self.inner;
        let key = inner.compat_key(&request).await?;
        let file = open(&request.path)?;
        let bytes = file.identity.size;
        let name = name_of(&request)?;
        let sealer = Sealer::new();
        let hours = request.expires_in.as_secs().div_ceil(HOUR).max(1);
        let fields: BTreeMap<&str, serde_json::Value> = [
            ("filename", json!(name)),
            ("nonce", json!(base64::encode_whole(sealer.nonce()))),
            ("wrapped_key", json!(base64::encode_whole(&sealer.wrapped_for(&key)))),
            ("metadata", json!(json!({ "compressed": false, "original_size": bytes }).to_string())),
            ("expires_hours", json!(hours)),
            ("allowed_users", json!(request.to.iter().map(Address::as_str).collect::<Vec<_>>())),
        ]
        .into();
        let head = proto::v0::head(&fields).map_err(|_| Error::Internal("texts always have a JSON form"))?;
        let length = head.len() as u64 + encoded_len(bytes + TAG_LEN as u64) + TAIL.len() as u64;
        let sealed = Arc::new(AtomicU64::new(0));
        let (sender, receiver) = mpsc::channel(WAITING);
        let producing = tokio::task::spawn_blocking({
            let (sealed, path) = (sealed.clone(), request.path.clone());
            move || produce(&file, &path, head, sealer, &sender, &sealed)
        });
        let body = stream::unfold(receiver, async |mut receiver| {
            let piece: Result<Bytes, std::io::Error> = receiver.recv().await?;
            Some((piece, receiver))
        });
        progress.progress(Phase::Uploading, 0, Some(bytes));
        let server = inner.server()?;
        let token = inner.access_token(None).await?;
        let sending = async {
            let request = server
                .request(Method::POST, paths::V0_UPLOAD)
                .bearer_auth(token.expose_secret())
                .header(CONTENT_TYPE, "application/json")
                .header(CONTENT_LENGTH, length)
                .body(Body::wrap_stream(body));
            let response = request.send().await.map_err(|error| server.failed(&error))?;
            server.json::<Uploaded>(server.accept(response).await?).await
        };
        let watching = watch(&sealed, bytes, progress);
        let uploaded = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::Interrupted),
            uploaded = sending => uploaded,
            never = watching => match never {},
        };
        // Why the source failed says more than what the connection saw of it.
        if uploaded.is_err()
            && let Ok(Err(error)) = producing.await
        {
            return Err(error);
        }
        let uploaded = uploaded?;
        Ok(SentV0 { file_id: uploaded.file_id, name, bytes, expires_at: uploaded.expires_at })
    }
}

/// Tells how far it is until it is dropped.
async fn watch(sealed: &AtomicU64, bytes: u64, progress: &dyn Progress) -> std::convert::Infallible {
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    loop {
        pace.tick().await;
        progress.progress(Phase::Uploading, sealed.load(Ordering::Relaxed), Some(bytes));
    }
}

fn open(path: &Path) -> Result<SourceFile> {
    let file = SourceFile::open(path)?;
    if file.identity.size > FILE_MAX { Err(Error::CompatTooLong) } else { Ok(file) }
}

fn name_of(request: &SendV0) -> Result<String> {
    let own = || request.path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = request.name.clone().or_else(own).unwrap_or_default();
    let wrong = name.is_empty() || name.chars().count() > proto::v0::NAME_MAX;
    if wrong { Err(Error::BadName("it has 1 to 1,024 characters")) } else { Ok(name) }
}

/// Reads, seals and encodes, as fast as it is taken off.
fn produce(
    source: &SourceFile,
    path: &Path,
    head: Vec<u8>,
    mut sealer: Sealer,
    sender: &mpsc::Sender<Result<Bytes, std::io::Error>>,
    sealed: &AtomicU64,
) -> Result<()> {
    let give_up = |error: Error| {
        // The body must not end as if it were whole.
        drop(sender.blocking_send(Err(std::io::Error::other("the source failed"))));
        Err(error)
    };
    let mut encoder = Encoder::default();
    let mut text = head;
    let mut piece = vec![0; PIECE];
    let mut file: &File = &source.file;
    let mut left = source.identity.size;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        if let Err(error) = file.read_exact(&mut piece[..most]) {
            return give_up(match error.kind() {
                std::io::ErrorKind::UnexpectedEof => Error::SourceChanged(path.to_owned()),
                _ => Error::io("read", path)(error),
            });
        }
        sealer.seal(&mut piece[..most]);
        encoder.push(&piece[..most], &mut text);
        if sender.blocking_send(Ok(Bytes::from(std::mem::take(&mut text)))).is_err() {
            return Ok(());
        }
        left -= most as u64;
        sealed.fetch_add(most as u64, Ordering::Relaxed);
    }
    // Not two versions of it in one, either: before the tag, without which it is no file.
    if !matches!(file.read(&mut [0]), Ok(0)) || !source.is_unchanged() {
        return give_up(Error::SourceChanged(path.to_owned()));
    }
    encoder.push(&sealer.finish(), &mut text);
    encoder.finish(&mut text);
    text.extend_from_slice(TAIL);
    // Whoever takes nothing more has another reason to tell.
    drop(sender.blocking_send(Ok(Bytes::from(text))));
    Ok(())
}

impl Inner {
    /// The key that the file is sealed to; nobody who takes only signed files is among the recipients.
    async fn compat_key(&self, request: &SendV0) -> Result<RsaPublicKey> {
        let found = self.ask_directory(&request.to).await?;
        if let Some((address, _)) = found.iter().find(|(_, bundle)| bundle.min_format() >= 1) {
            return Err(Error::CompatRefused(address.clone()));
        }
        if let Some(key) = &request.to_key {
            return Ok(key.clone());
        }
        let [address] = request.to.as_slice() else { return Err(Error::NoCompatKey(None)) };
        // Keys of the directory count only once they are those of the pinned person.
        let known = self.look_up(std::slice::from_ref(address)).await?;
        let now = u64::try_from(self.now()).unwrap_or(0);
        let key = known.first().and_then(|known| published_key(&known.bundle, now));
        key.ok_or_else(|| Error::NoCompatKey(Some(address.clone())))
    }
}

/// The first key that a person has published for this use alone.
fn published_key(bundle: &Bundle, now: u64) -> Option<RsaPublicKey> {
    let usable = bundle.keys().iter().filter(|key| {
        key.usage == KeyUsage::V0Only
            && key.algorithm == KeyAlgorithm::Rsa
            && key.not_before <= now
            && (key.not_after == 0 || now < key.not_after)
    });
    usable.filter_map(|key| RsaPublicKey::from_spki(&key.key).ok()).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_file_that_changes_while_it_is_sent_is_not_sent_as_two_versions_in_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db.bin");
        for changes in [false, true] {
            std::fs::write(&path, vec![1; 3 * PIECE]).unwrap();
            let source = open(&path).unwrap();
            let (sender, mut receiver) = mpsc::channel(1);
            let produced = std::thread::scope(|scope| {
                let (source, path) = (&source, &path);
                let making = scope.spawn(move || {
                    produce(source, path, Vec::new(), Sealer::new(), &sender, &AtomicU64::new(0))
                });
                let mut ends_well = true;
                let mut pieces = 0;
                while let Some(piece) = receiver.blocking_recv() {
                    pieces += 1;
                    ends_well &= piece.is_ok();
                    if changes && pieces == 1 {
                        let mut file = File::options().write(true).open(path).unwrap();
                        file.write_all(&[2; 100]).unwrap();
                        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
                    }
                }
                assert_eq!(ends_well, !changes, "a body that breaks off is no file");
                making.join().unwrap()
            });
            assert_eq!(matches!(produced, Err(Error::SourceChanged(_))), changes, "{produced:?}");
        }
    }
}
