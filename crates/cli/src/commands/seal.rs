//! `wax seal`: seals a file into a container, without any server.

use super::{address, quoted};
use crate::app::App;
use crate::args::Seal;
use crate::console::{safe, size};
use crate::fault::{Class, Fault};
use crate::progress::Shown;
use crate::{keyfile, keyring};
use client::{Compress, ContainerRecipient, SealContainer, SealedContainer, Source, Target};
use serde::Serialize;
use std::ffi::OsString;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

/// What a stream is called when nobody names it.
const STREAM_NAME: &str = "standard input";
/// What a container's name ends in.
pub(super) const EXTENSION: &str = "wax";
/// Longest file of public keys that is read, bytes.
const LONGEST: u64 = 64 << 10;

/// `{"id", "name", "bytes", "container", "container_bytes", "recipients", "anonymous"}`.
#[derive(Serialize)]
struct SealJson<'a> {
    id: String,
    name: &'a str,
    bytes: u64,
    container: Option<String>,
    container_bytes: u64,
    /// Keys that open it, one's own included.
    recipients: usize,
    anonymous: bool,
}

pub(super) fn run(app: &App, args: &Seal) -> Result<(), Fault> {
    let stream = args.file == Path::new("-");
    let output = output(app, args, stream)?;
    let to = args.recipient.iter().map(|text| recipient(text)).collect::<Result<Vec<_>, _>>()?;
    let source = if stream {
        let name = args.name.clone().unwrap_or_else(|| STREAM_NAME.to_owned());
        Source::Stream { reader: Box::new(std::io::stdin()), name }
    } else {
        std::fs::File::open(&args.file).map_err(|e| Fault::file("read", &args.file, &e))?;
        Source::File(args.file.clone())
    };
    let session = app.session()?;
    let me = if args.anonymous { None } else { Some(keyring::unlock_offline(app, &session)?) };
    let request = SealContainer {
        source,
        to,
        name: args.name.clone(),
        compress: if args.compress { Compress::Auto } else { Compress::Never },
        padded: !args.no_padding,
        target: match output {
            None => Target::Writer(Box::new(std::io::stdout())),
            Some(path) => Target::File { path, overwrite: args.force },
        },
    };
    let shown = Shown::new(&app.console, String::new());
    let sealed = session.run_to_its_end(async {
        session.client.seal_container(me.as_ref(), request, &shown, &session.cancel)
    });
    shown.end();
    tell(app, args, &sealed.map_err(stopped)?)
}

/// Where the container goes: beside its source, into a named file, or (`None`) to standard output.
fn output(app: &App, args: &Seal, stream: bool) -> Result<Option<PathBuf>, Fault> {
    let named = match &args.output {
        Some(path) if path == Path::new("-") => None,
        Some(path) => Some(path.clone()),
        None if stream => None,
        None => {
            let mut name = OsString::from(&args.file);
            name.push(format!(".{EXTENSION}"));
            Some(PathBuf::from(name))
        }
    };
    if named.is_none() && app.console.json {
        return Err(Fault::new(Class::Usage, "standard output cannot carry both the container and JSON")
            .hint("write the container somewhere with -o FILE"));
    }
    if named.is_none() && !args.force && std::io::stdout().is_terminal() {
        return Err(Fault::new(Class::Usage, "a container is bytes that a terminal cannot show")
            .hint("write it somewhere with -o FILE, or insist with --force"));
    }
    Ok(named)
}

/// An address, a public key in PEM, or what `wax keys export` wrote.
fn recipient(text: &str) -> Result<ContainerRecipient, Fault> {
    let path = Path::new(text);
    if !path.exists() {
        return match address(text) {
            Ok(address) => Ok(ContainerRecipient::Contact(address)),
            Err(_) => Err(Fault::new(
                Class::Usage,
                format!("{} is neither an address nor a file of public keys", quoted(text)),
            )
            .hint("name a contact, a public key (PEM), or a file made with wax keys export")),
        };
    }
    let file = std::fs::File::open(path).map_err(|e| Fault::file("read", path, &e))?;
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes).map_err(|e| Fault::file("read", path, &e))?;
    if bytes.starts_with(envelope::bundle::MAGIC) {
        return Ok(ContainerRecipient::Bundle(bytes));
    }
    Ok(ContainerRecipient::Rsa(keyfile::read_public(path)?))
}

/// After Ctrl-C.
pub(super) fn stopped(fault: Fault) -> Fault {
    match fault.class {
        Class::Cancelled => Fault::new(Class::Cancelled, "stopped; no file was written"),
        _ => fault,
    }
}

fn tell(app: &App, args: &Seal, sealed: &SealedContainer) -> Result<(), Fault> {
    let console = &app.console;
    console.note(format!("sealed {} ({}) on this device", safe(&sealed.name), size(sealed.bytes)));
    let path = sealed.path.as_deref().map(|path| path.strip_prefix(".").unwrap_or(path));
    if let Some(path) = path
        && !console.json
    {
        console.say(format!("file     {} ({})", keyfile::shown(path), size(sealed.container_bytes)))?;
        let keys = sealed.recipients;
        console.say(format!("opens    with {keys} {}", if keys == 1 { "key" } else { "keys" }))?;
        console.note(format!("they open it with: wax open {}", keyfile::shown(path)));
    }
    if args.anonymous {
        console.note("nobody signed it: whoever opens it cannot know that it is yours");
    }
    console.result(&SealJson {
        id: sealed.file_id.to_string(),
        name: &sealed.name,
        bytes: sealed.bytes,
        container: path.map(|path| path.display().to_string()),
        container_bytes: sealed.container_bytes,
        recipients: sealed.recipients,
        anonymous: args.anonymous,
    })
}
