//! Fetching by the documented API: the ciphertext first, into a nameless file, and nothing of it is opened before its tag
//! is verified.

use crate::receive::sink::Sink;
use crate::{Cancel, Client, Error, FileId, Phase, Progress, Result, RsaPrivateKey, Target, Unlocked};
use format::v0::{FILE_MAX, NONCE_LEN, TAG_LEN, V0Error, V0Key};
use proto::paths;
use proto::v0::{CIPHERTEXT, FileFields, FileMetadata, Reader, base64};
use reqwest::{Method, Response};
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

/// What may open such a file.
#[derive(Clone, Copy, Debug)]
pub enum V0Opener<'a> {
    /// The RSA keys among one's own.
    Person(&'a Unlocked),
    /// A key that stands alone.
    Key(&'a RsaPrivateKey),
}

/// What was received. Who sent it is not known, and its name is the server's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedV0 {
    /// Id.
    pub file_id: FileId,
    /// The name that the server tells (not to be used as a path).
    pub name: String,
    /// Where it is, unless it went into a writer.
    pub path: Option<PathBuf>,
    /// Bytes of the file.
    pub bytes: u64,
}

impl Client {
    /// Fetches and opens a file of the documented API. Its content is authentic in so far as who sealed it knew the
    /// public key, which may be anybody; name and metadata are the server's word.
    ///
    /// # Errors
    /// [`Error::NotAuthentic`] if no key opens it, or it was altered: nothing was written then. [`Error::NotFound`],
    /// [`Error::Expired`], those of the target.
    pub async fn receive_v0(
        &self,
        file_id: FileId,
        opener: V0Opener<'_>,
        target: Target,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<ReceivedV0> {
        let inner = &self.inner;
        let told: FileMetadata = inner
            .call(|server| server.request(Method::GET, &paths::fill(paths::V0_METADATA, &[&file_id])))
            .await
            .map_err(super::none_of_these)?;
        if told.file.size > FILE_MAX + TAG_LEN as u64 {
            return Err(inner.server()?.odd("a file that is longer than any of its kind"));
        }
        let sink = Sink::at(target, format::names::safe_file_name(&told.file.filename), told.file.size)?;
        let mut kept = nameless(&sink)?;
        progress.progress(Phase::Downloading, 0, Some(told.file.size));
        let path = paths::fill(paths::V0_FILE, &[&file_id]);
        let server = inner.server()?;
        let token = inner.access_token(None).await?;
        let request = server.request(Method::GET, &path).bearer_auth(token.expose_secret());
        let fetching = async {
            let response = server.send_long(request).await?;
            self.fetch_v0(response, &mut kept, told.file.size, progress).await
        };
        let fields = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Error::Interrupted),
            fields = fetching => fields?,
        };
        if fields.file_id != file_id {
            return Err(server.odd("another file than the one that was asked for"));
        }
        progress.progress(Phase::Decrypting, 0, Some(told.file.size));
        let sent_ms = told.file.uploaded_at.saturating_mul(1_000);
        let opened =
            tokio::task::block_in_place(|| open(opener, &fields, &kept, told.file.size, sent_ms, sink))?;
        Ok(ReceivedV0 { file_id, name: told.file.filename, path: opened.0, bytes: opened.1 })
    }

    /// The ciphertext goes into `kept`; the fields beside it are given.
    async fn fetch_v0(
        &self,
        mut response: Response,
        kept: &mut File,
        size: u64,
        progress: &dyn Progress,
    ) -> Result<FileFields> {
        let server = self.inner.server()?;
        let odd = || server.odd("a file that cannot be read");
        let (mut reader, mut octets, mut seen) = (Reader::new(CIPHERTEXT), Vec::new(), 0_u64);
        loop {
            let chunk = tokio::time::timeout(server.silence, response.chunk()).await;
            let chunk = chunk.map_err(|_| server.timed_out())?.map_err(|error| server.failed(&error))?;
            let Some(chunk) = chunk else { break };
            reader.push(&chunk, &mut octets).map_err(|_| odd())?;
            seen += octets.len() as u64;
            if seen > size {
                return Err(odd());
            }
            kept.write_all(&octets).map_err(Error::Output)?;
            octets.clear();
            progress.progress(Phase::Downloading, seen, Some(size));
        }
        if seen != size {
            return Err(odd());
        }
        reader.finish().map_err(|_| odd())
    }
}

/// A file without a name where the opened one will be, or where temporary files are.
fn nameless(sink: &Sink) -> Result<File> {
    match sink {
        Sink::File(file) => {
            tempfile::tempfile_in(file.folder()).map_err(Error::io("create a file in", file.folder()))
        }
        Sink::Writer(_) => tempfile::tempfile().map_err(Error::io("create a file in", std::env::temp_dir())),
    }
}

/// Whether the metadata, which nobody vouches for, say that the file was compressed.
fn is_compressed(metadata: &str) -> bool {
    let told: serde_json::Value = serde_json::from_str(metadata).unwrap_or_default();
    told["compressed"] == true || told["compression"] == "gzip"
}

fn open(
    opener: V0Opener<'_>,
    fields: &FileFields,
    kept: &File,
    size: u64,
    sent_ms: i64,
    sink: Sink,
) -> Result<(Option<PathBuf>, u64)> {
    let wrapped = base64::decode(&fields.wrapped_key).map_err(|_| Error::NotAuthentic)?;
    let nonce = base64::decode(&fields.nonce).ok().and_then(|nonce| <[u8; NONCE_LEN]>::try_from(nonce).ok());
    let nonce = nonce.ok_or(Error::NotAuthentic)?;
    let key = match opener {
        V0Opener::Key(key) => V0Key::unwrap(key, &wrapped),
        V0Opener::Person(me) => me.vault.identity.rsa_keys().find_map(|key| V0Key::unwrap(key, &wrapped)),
    };
    let key = key.ok_or(Error::NotAuthentic)?;
    let again = || -> io::Result<File> {
        let mut file = kept.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    };
    let compressed = is_compressed(&fields.metadata);
    match sink {
        Sink::Writer(mut writer) => {
            let bytes =
                key.open(&nonce, size, compressed, again, &mut writer).map_err(failed(Error::Output))?;
            writer.flush().map_err(Error::Output)?;
            Ok((None, bytes))
        }
        Sink::File(file) => {
            let path = file.path();
            let mut out = io::BufWriter::new(file.handle()?);
            let bytes = key
                .open(&nonce, size, compressed, again, &mut out)
                .map_err(failed(Error::io("write", &path)))?;
            out.flush().map_err(Error::io("write", &path))?;
            drop(out);
            // No other time is known, and by this one it is found to be there already.
            Ok((Some(file.finish(sent_ms)?), bytes))
        }
    }
}

fn failed(io: impl FnOnce(io::Error) -> Error) -> impl FnOnce(V0Error) -> Error {
    |error| match error {
        V0Error::Io(error) => io(error),
        _ => Error::NotAuthentic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words_of_the_metadata_make_a_file_compressed() {
        assert!(is_compressed(r#"{"compressed": true}"#));
        assert!(is_compressed(r#"{"compression": "gzip"}"#));
        for not in ["", "7", "[]", r#"{"compressed": "true"}"#, r#"{"compressed": false}"#] {
            assert!(!is_compressed(not), "{not}");
        }
    }
}
