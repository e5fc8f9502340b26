//! `wax open`: opens a container, without any server.

use super::keys::fingerprint;
use super::{TrustJson, address, output, seal, trust_mark};
use crate::app::App;
use crate::args::Open;
use crate::console::{safe, size};
use crate::fault::{Class, Fault};
use crate::progress::Shown;
use crate::{keyfile, keyring};
use client::{Author, ContainerKey, OpenContainer, Opened, Source, Trust};
use serde::Serialize;
use std::path::Path;

/// `{"name", "media_type", "bytes", "path", "from", "trust", "fingerprint"}`.
#[derive(Serialize)]
struct OpenJson<'a> {
    name: &'a str,
    media_type: &'a str,
    bytes: u64,
    path: Option<String>,
    /// Absent if nobody signed.
    from: Option<&'a str>,
    /// Absent if nobody signed, or if nothing on this device says whose keys they are.
    trust: Option<TrustJson>,
    /// Of keys that nothing on this device knows.
    fingerprint: Option<String>,
    /// Whether the key that signed was replaced since.
    retired_key: bool,
}

pub(super) fn run(app: &App, args: &Open) -> Result<(), Fault> {
    let to_stdout = args.output.is_stdout();
    output::check(app, &args.output)?;
    let from = args.from.as_deref().map(address).transpose()?;
    let source = if args.file == Path::new("-") {
        Source::Stream { reader: Box::new(std::io::stdin()), name: "standard input".into() }
    } else {
        std::fs::File::open(&args.file).map_err(|e| Fault::file("read", &args.file, &e))?;
        Source::File(args.file.clone())
    };
    let session = app.session()?;
    let request = OpenContainer { source, target: output::target(&args.output), from };
    let (me, rsa) = match &args.key {
        Some(path) => (None, Some(keyfile::read_private(app, path, app.global.passphrase_fd)?)),
        None => (Some(keyring::unlock_offline(app, &session)?), None),
    };
    let key = match (&me, &rsa) {
        (_, Some(rsa)) => ContainerKey::Rsa(rsa),
        (Some(me), None) => ContainerKey::Person(me),
        (None, None) => return Err(client::Error::NoKeys.into()),
    };
    let shown = Shown::new(&app.console, String::new());
    let opened = session
        .run_to_its_end(async { session.client.open_container(key, request, &shown, &session.cancel) });
    shown.end();
    let opened = opened.map_err(|fault| match fault.class {
        Class::Cancelled if to_stdout => Fault::new(Class::Cancelled, "stopped; the output is not complete"),
        _ => seal::stopped(fault),
    })?;
    tell(app, &opened)
}

fn tell(app: &App, opened: &Opened) -> Result<(), Fault> {
    let console = &app.console;
    console.note(format!("opened {} ({}), verified on this device", safe(&opened.name), size(opened.bytes)));
    let path = opened.path.as_deref().map(|path| path.strip_prefix(".").unwrap_or(path));
    if let Some(path) = path
        && !console.json
    {
        console.say(format!("file     {}", keyfile::shown(path)))?;
        console.say(format!("from     {}", author(app, &opened.author)))?;
    } else if path.is_none() {
        console.note(format!("from {}", author(app, &opened.author)));
    }
    if let Author::Unknown { claims, .. } = &opened.author {
        let claims = safe(claims.as_str());
        console.warn(format!(
            "nothing on this device says that these are the keys of {claims}; compare the fingerprint before you rely on it"
        ));
    }
    let (from, trust, root) = match &opened.author {
        Author::Anonymous => (None, None, None),
        Author::Known { address, trust, .. } => (Some(address), Some(TrustJson::from(*trust)), None),
        Author::Unknown { claims, root_id } => (Some(claims), None, Some(*root_id)),
    };
    console.result(&OpenJson {
        name: &opened.name,
        media_type: &opened.media_type,
        bytes: opened.bytes,
        path: path.map(|path| path.display().to_string()),
        from: from.map(|address| address.as_str()),
        trust,
        fingerprint: root.map(fingerprint),
        retired_key: matches!(&opened.author, Author::Known { retired_root: true, .. }),
    })
}

fn author(app: &App, author: &Author) -> String {
    match author {
        Author::Anonymous => "nobody: it is not signed".to_owned(),
        Author::Known { address, trust, retired_root } => {
            let mark = match trust {
                Trust::Own => "you".to_owned(),
                trust => trust_mark(&app.console, *trust),
            };
            let retired = if *retired_root { ", with a key that was replaced since" } else { "" };
            format!("{} ({mark}){retired}", safe(address.as_str()))
        }
        Author::Unknown { claims, root_id } => {
            format!("says to be {}, fingerprint {}", safe(claims.as_str()), fingerprint(*root_id))
        }
    }
}
