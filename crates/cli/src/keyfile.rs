//! Key files: RSA keys in PEM, read with care for who else can read them, written for their owner alone.

use crate::app::App;
use crate::console::safe;
use crate::fault::{Class, Fault};
use crate::keyring;
use client::{RsaKeyError, RsaPrivateKey, RsaPublicKey};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest key file that is read, bytes.
const LONGEST: u64 = 64 << 10;
/// Permission bits that let others read or write.
const OTHERS: u32 = 0o077;

/// How a path is shown.
pub(crate) fn shown(path: &Path) -> String {
    safe(&path.display().to_string())
}

/// A public key.
pub(crate) fn read_public(path: &Path) -> Result<RsaPublicKey, Fault> {
    let file = File::open(path).map_err(|e| Fault::file("read", path, &e))?;
    RsaPublicKey::from_pem(&text_of(file, path)?).map_err(|error| Fault::key_file(&shown(path), error))
}

/// A private key; its passphrase comes from the descriptor or the terminal, if it has one.
pub(crate) fn read_private(app: &App, path: &Path, descriptor: Option<u32>) -> Result<RsaPrivateKey, Fault> {
    let file = File::open(path).map_err(|e| Fault::file("read", path, &e))?;
    let kind = file.metadata().map_err(|e| Fault::file("read", path, &e))?;
    let mode = kind.permissions().mode() & 0o777;
    if kind.is_file() && mode & OTHERS != 0 {
        return Err(client::Error::ReadableByOthers { path: path.to_owned(), mode, wanted: 0o600 }.into());
    }
    let text = text_of(file, path)?;
    let fault = |error| Fault::key_file(&shown(path), error);
    match RsaPrivateKey::from_pem(&text, None) {
        Err(RsaKeyError::PassphraseNeeded) => {
            keyring::open_key_file(app, descriptor, &shown(path), |passphrase| {
                RsaPrivateKey::from_pem(&text, Some(&passphrase)).map_err(fault)
            })
        }
        outcome => outcome.map_err(fault),
    }
}

fn text_of(file: File, path: &Path) -> Result<Zeroizing<String>, Fault> {
    // With room for all of it from the start: nothing is left behind where it grew.
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(LONGEST).unwrap_or(0) + 1));
    match file.take(LONGEST + 1).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => {
            Err(Fault::key_file(&shown(path), RsaKeyError::Pem))
        }
        Err(e) => Err(Fault::file("read", path, &e)),
    }
}

/// The two files of a key: `NAME.pem` and `NAME.pub.pem`.
pub(crate) fn pair(name: &Path) -> (PathBuf, PathBuf) {
    let text = name.as_os_str().to_owned();
    let stem = match name.extension() {
        Some(extension) if extension == "pem" => name.with_extension("").into_os_string(),
        _ => text,
    };
    let with = |end: &str| {
        let mut path = stem.clone();
        path.push(end);
        PathBuf::from(path)
    };
    (with(".pem"), with(".pub.pem"))
}

/// Refuses a path that is taken, before anybody is asked for anything.
pub(crate) fn must_be_free(path: &Path) -> Result<(), Fault> {
    match path.symlink_metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Fault::file("write", path, &e)),
        Ok(_) => Err(Fault::new(Class::LocalFile, format!("{} exists already", shown(path)))
            .hint("choose another name with --out, or replace it with --force")),
    }
}

/// Writes a file whole or not at all, with those permission bits; an existing one is replaced only with `force`.
pub(crate) fn write(path: &Path, text: &str, mode: u32, force: bool) -> Result<(), Fault> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}.part", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    let written =
        File::options().write(true).create_new(true).mode(mode).open(&unfinished).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            // A link is made only where nothing is, which a rename would not mind.
            if force { std::fs::rename(&unfinished, path) } else { std::fs::hard_link(&unfinished, path) }
        });
    if !force || written.is_err() {
        // What matters is told below; there may be nothing to remove.
        drop(std::fs::remove_file(&unfinished));
    }
    written.map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => {
            Fault::file("write", path, &e).hint("choose another name with --out, or replace it with --force")
        }
        _ => Fault::file("write", path, &e),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_two_files_whether_or_not_its_name_ends_in_pem() {
        for name in ["keys/work", "keys/work.pem"] {
            let (private, public) = pair(Path::new(name));
            assert_eq!(private, Path::new("keys/work.pem"));
            assert_eq!(public, Path::new("keys/work.pub.pem"));
        }
        assert_eq!(pair(Path::new("a.b")).0, Path::new("a.b.pem"));
    }
}
