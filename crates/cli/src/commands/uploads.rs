//! `wax uploads`: what was begun and not finished, and how to give it up.

use super::rsa::short;
use super::{check_prefix, moment, stamp, the_one};
use crate::app::{App, Session};
use crate::args::{Uploads, UploadsAction};
use crate::console::{safe, size};
use crate::fault::{Class, Fault};
use client::{FileId, UnfinishedUpload};
use serde::Serialize;

/// `{"uploads": […]}`.
#[derive(Serialize)]
struct UploadsJson {
    uploads: Vec<UploadJson>,
}

/// One unfinished upload.
#[derive(Serialize)]
struct UploadJson {
    id: String,
    path: String,
    bytes: u64,
    to: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to_keys: Vec<String>,
    sealed_parts: u64,
    parts: u64,
    begun: Option<String>,
    running: bool,
}

/// `{"cancelled": [ids]}`.
#[derive(Serialize)]
struct CancelJson {
    cancelled: Vec<String>,
}

pub(super) fn run(app: &App, args: Uploads) -> Result<(), Fault> {
    let session = app.session()?;
    match args.action.unwrap_or(UploadsAction::Ls) {
        UploadsAction::Ls => list(app, &session),
        UploadsAction::Cancel { ids } => cancel(app, &session, &ids),
    }
}

fn list(app: &App, session: &Session) -> Result<(), Fault> {
    let uploads = session.client.uploads()?;
    if uploads.is_empty() {
        app.console.note("nothing is unfinished");
    } else if !app.console.json {
        let rows: Vec<Vec<String>> = uploads.iter().map(row).collect();
        app.console.table(&["ID", "FILE", "SIZE", "DONE", "TO", "BEGUN"], &rows)?;
        app.console.note("the same `wax send` goes on where it stopped; wax uploads cancel ID gives it up");
    }
    app.console.result(&UploadsJson {
        uploads: uploads
            .iter()
            .map(|upload| UploadJson {
                id: upload.file_id.to_string(),
                path: upload.path.display().to_string(),
                bytes: upload.bytes,
                to: upload.to.iter().map(|address| address.as_str().to_owned()).collect(),
                to_keys: upload.to_keys.iter().map(ToString::to_string).collect(),
                sealed_parts: upload.sealed_parts,
                parts: upload.parts,
                begun: stamp(upload.begun),
                running: upload.running,
            })
            .collect(),
    })
}

fn row(upload: &UnfinishedUpload) -> Vec<String> {
    let people = upload.to.iter().map(|address| safe(address.as_str()));
    let to = people.chain(upload.to_keys.iter().map(|key| format!("the key {}", short(*key))));
    let state = if upload.running { " (running)" } else { "" };
    vec![
        upload.file_id.to_string(),
        safe(&upload.path.display().to_string()),
        size(upload.bytes),
        format!("{} of {} parts{state}", upload.sealed_parts, upload.parts),
        to.collect::<Vec<_>>().join(", "),
        moment(upload.begun),
    ]
}

fn cancel(app: &App, session: &Session, texts: &[String]) -> Result<(), Fault> {
    let known: Vec<FileId> = session.client.uploads()?.iter().map(|upload| upload.file_id).collect();
    let mut ids: Vec<FileId> = Vec::new();
    for text in texts {
        let text = text.trim().to_lowercase();
        let id = match text.parse() {
            Ok(id) => id,
            Err(_) => {
                check_prefix("wax uploads", &text)?;
                let found: Vec<FileId> =
                    known.iter().copied().filter(|id| id.to_string().starts_with(&text)).collect();
                the_one("uploads", &text, &found)?
            }
        };
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let (mut cancelled, mut failed) = (Vec::new(), Vec::new());
    for id in &ids {
        match session.run(session.client.abandon_upload(*id)) {
            Ok(()) => {
                app.console.say(format!("{id}  cancelled"))?;
                cancelled.push(id.to_string());
            }
            // What stands in the way of one need not stand in the way of the next.
            Err(fault) if !matches!(fault.class, Class::Network | Class::SignIn | Class::Cancelled) => {
                failed.push((*id, fault));
            }
            Err(fault) => return Err(fault.fact("cancelled", cancelled)),
        }
    }
    let Some((id, first)) = failed.first() else {
        return app.console.result(&CancelJson { cancelled });
    };
    for (id, fault) in failed.iter().skip(1) {
        app.console.note(format!("not cancelled: {id}: {}", fault.what));
    }
    let rest: Vec<String> = failed.iter().map(|(id, _)| id.to_string()).collect();
    Err(first.about(*id).fact("cancelled", cancelled).fact("failed", rest))
}
