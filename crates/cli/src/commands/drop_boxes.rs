//! `wax drop`: boxes that people send files into, with an account or without.

use super::ls::SHORT_ID;
use super::{TrustJson, from_whom, moment, patiently, quoted, seconds_until, stamp, trust_mark};
use crate::app::{App, Session};
use crate::args::{Drop, DropAction};
use crate::console::{Console, Tone, safe, size};
use crate::expiry::{count, largest_unit_in_words};
use crate::fault::{Class, Fault};
use crate::progress::Told;
use crate::{keyring, qr};
use client::{
    BoxId, BoxWish, DropBox, EventKind, FileId, FilePaging, FileSummary, Happening, Unlocked, Watch,
};
use serde::Serialize;
use std::collections::HashSet;
use std::time::Duration;

/// Fewest characters of a box's id that may stand for the whole.
const PREFIX_MIN: usize = 8;
/// Rows of one request.
const PAGE: u32 = 200;

/// `{"boxes": […], "refused": [ids whose description is not yours]}`.
#[derive(Serialize)]
struct BoxesJson {
    boxes: Vec<BoxJson>,
    refused: Vec<String>,
}

/// One drop box.
#[derive(Serialize)]
struct BoxJson {
    id: String,
    address: String,
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
    created: Option<String>,
    ends: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_files: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
    arrivals: u32,
    under_way: u32,
    closed: bool,
}

/// What came into a box; a line of its own for each where one waits for more.
#[derive(Serialize)]
struct ArrivalJson<'a> {
    id: String,
    name: &'a str,
    bytes: u64,
    created: Option<String>,
    /// The sender's address, if they signed.
    from: Option<&'a str>,
    trust: TrustJson,
}

/// `{"files": […], "refused": [ids that did not verify]}`.
#[derive(Serialize)]
struct ArrivalsJson<'a> {
    files: Vec<ArrivalJson<'a>>,
    refused: Vec<String>,
}

/// `{"closed": [ids]}`.
#[derive(Serialize)]
struct ClosedJson {
    closed: Vec<String>,
}

pub(super) fn run(app: &App, args: Drop) -> Result<(), Fault> {
    let action = args.action.unwrap_or(DropAction::Ls { long: false });
    if let DropAction::Create { qr_png, qr_svg, .. } = &action {
        [qr_png, qr_svg].into_iter().flatten().try_for_each(|path| crate::keyfile::must_be_free(path))?;
    }
    let session = app.session()?;
    let me = keyring::unlock(app, &session)?;
    match action {
        DropAction::Ls { long } => list(app, &session, &me, long),
        DropAction::Create { title, note, max_files, max_size, expires, qr: show_code, qr_png, qr_svg } => {
            let wish = BoxWish {
                title,
                note: note.unwrap_or_default(),
                max_files: Some(max_files),
                max_size: max_size.map(|size| size.0),
                expires_in: Duration::from_secs(expires.seconds()),
            };
            let made = session.run(session.client.make_box(&me, &wish))?;
            let text = made.address.expose_secret();
            tell_made(app, &made, &text, show_code)?;
            if let Some(path) = &qr_png {
                super::links::write(path, &qr::png(&text))?;
            }
            if let Some(path) = &qr_svg {
                super::links::write(path, qr::svg(&text).as_bytes())?;
            }
            app.console.result(&json(&made))
        }
        DropAction::Watch { id, once } => watch(app, &session, &me, &id, once),
        DropAction::Close { ids } => close(app, &session, &me, &ids),
    }
}

fn tell_made(app: &App, made: &DropBox, text: &str, show_code: bool) -> Result<(), Fault> {
    let console = &app.console;
    if !console.json {
        console.say(format!("box      {}", made.box_id))?;
        console.say(format!("address  {}", console.paint(Tone::Bold, text)))?;
        console.say(format!("takes    {}", takes(made.max_files, made.max_size)))?;
        console.say(format!("ends     {}", moment(made.ends)))?;
        if show_code {
            for line in qr::lines(text, console.has_colour()) {
                console.say(line)?;
            }
        }
    }
    console
        .note("whoever has the address can send you files, and reads title and note; only you can open them");
    console.note("they send with: wax send FILE --to-box 'ADDRESS'");
    console.note(format!("see what comes: wax drop watch {}", made.box_id));
    Ok(())
}

fn list(app: &App, session: &Session, me: &Unlocked, long: bool) -> Result<(), Fault> {
    let console = &app.console;
    let boxes = session.run(session.client.boxes(me))?;
    if boxes.boxes.is_empty() {
        console.note("no drop boxes; make one with: wax drop create TITLE");
    } else if !console.json {
        let rows: Vec<Vec<String>> = boxes.boxes.iter().map(row).collect();
        console.table(&["BOX", "TITLE", "CAME", "TAKES", "ENDS"], &rows)?;
        for one in boxes.boxes.iter().filter(|_| long) {
            console.say(format!("{}  {}", one.box_id, *one.address.expose_secret()))?;
        }
    }
    if !boxes.refused.is_empty() {
        console.warn(format!(
            "{} of a drop box left out: you did not sign it",
            count(boxes.refused.len() as u64, "description")
        ));
    }
    console.result(&BoxesJson {
        boxes: boxes.boxes.iter().map(json).collect(),
        refused: boxes.refused.iter().map(ToString::to_string).collect(),
    })
}

fn row(one: &DropBox) -> Vec<String> {
    let under_way = if one.under_way > 0 { format!(", {} under way", one.under_way) } else { String::new() };
    let came = match one.max_files {
        Some(most) => format!("{} of {most}{under_way}", one.arrivals),
        None => format!("{}{under_way}", one.arrivals),
    };
    let ends = match (one.closed, seconds_until(one.ends)) {
        (true, _) => "closed".to_owned(),
        (false, Some(left)) => format!("in {}", largest_unit_in_words(left)),
        (false, None) => "ended".to_owned(),
    };
    vec![one.box_id.to_string(), safe(&one.title), came, takes(None, one.max_size), ends]
}

/// `100 files of up to 500.0 MB`.
pub(super) fn takes(max_files: Option<u32>, max_size: Option<u64>) -> String {
    let files = max_files.map_or_else(|| "files".to_owned(), |most| count(most.into(), "file"));
    match max_size {
        Some(most) => format!("{files} of up to {}", size(most)),
        None => files,
    }
}

fn watch(app: &App, session: &Session, me: &Unlocked, text: &str, once: bool) -> Result<(), Fault> {
    let console = &app.console;
    let one = the_box(session, me, text)?;
    if once && console.json {
        let (files, refused) = arrivals(session, me, one.box_id)?;
        return console.result(&ArrivalsJson {
            files: files.iter().map(arrival).collect(),
            refused: refused.iter().map(ToString::to_string).collect(),
        });
    }
    if !once {
        console.note(format!("waiting for what comes into {}; Ctrl-C ends it", quoted(&one.title)));
    }
    let (mut shown, mut has_asked) = (HashSet::<FileId>::new(), false);
    let mut watched = session.client.watch();
    loop {
        // Oldest first, as they came.
        let ask = || arrivals(session, me, one.box_id);
        let (files, refused) = if has_asked { patiently(app, session, ask)? } else { ask()? };
        has_asked = true;
        for file in files.iter().rev().filter(|file| shown.insert(file.file_id)) {
            if console.json {
                console.result(&arrival(file))?;
            } else {
                console.say(line(console, file))?;
            }
        }
        for id in refused.iter().filter(|id| shown.insert(**id)) {
            console.warn(format!(
                "{id}: what the server shows of it does not verify, or was meant for another box"
            ));
        }
        if once {
            return Ok(());
        }
        session.run(something_came(&mut watched, &Told(console)))?;
    }
}

/// Waits until a look is worth while. The server says only that something came: what it was is looked up and verified.
async fn something_came(watched: &mut Watch, told: &Told<'_>) -> client::Result<()> {
    loop {
        match watched.next(told).await?.kind {
            Happening::FileGone => {}
            Happening::Activity(what) if what != EventKind::BoxArrival.as_str() => {}
            _ => return Ok(()),
        }
    }
}

/// All that came into a box and is still there, newest first.
fn arrivals(session: &Session, me: &Unlocked, id: BoxId) -> Result<(Vec<FileSummary>, Vec<FileId>), Fault> {
    let (mut files, mut refused) = (Vec::new(), Vec::new());
    let mut paging = FilePaging { after: None, limit: Some(PAGE), into_box: Some(id) };
    loop {
        let page = session.run(session.client.list(me, paging.clone()))?;
        // A server that shows something else under the box is not believed.
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            page.files.into_iter().partition(|file| file.box_id == Some(id));
        files.extend(here);
        refused.extend(elsewhere.iter().map(|file| file.file_id));
        refused.extend(page.refused);
        paging.after = page.next;
        if paging.after.is_none() {
            return Ok((files, refused));
        }
    }
}

fn line(console: &Console, file: &FileSummary) -> String {
    let mark = trust_mark(console, file.sender.trust);
    let mark = if mark.is_empty() { mark } else { format!(" ({mark})") };
    format!(
        "{}  {}  {}  {}  from {}{mark}",
        moment(file.created),
        &file.file_id.to_string()[..SHORT_ID],
        safe(&file.name),
        size(file.bytes),
        from_whom(&file.sender)
    )
}

fn arrival(file: &FileSummary) -> ArrivalJson<'_> {
    ArrivalJson {
        id: file.file_id.to_string(),
        name: &file.name,
        bytes: file.bytes,
        created: stamp(file.created),
        from: file.sender.address.as_ref().map(client::Address::as_str),
        trust: file.sender.trust.into(),
    }
}

fn close(app: &App, session: &Session, me: &Unlocked, ids: &[String]) -> Result<(), Fault> {
    let boxes: Vec<DropBox> = ids.iter().map(|id| the_box(session, me, id)).collect::<Result<_, _>>()?;
    let mut closed: Vec<String> = Vec::new();
    for one in boxes {
        let id = one.box_id.to_string();
        if closed.contains(&id) {
            continue;
        }
        session.run(session.client.close_box(one.box_id))?;
        app.console.say(format!("{id}  closed"))?;
        closed.push(id);
    }
    app.console.note("what came stays; delete files with: wax rm ID");
    app.console.result(&ClosedJson { closed })
}

/// A box of one's own by its id or the beginning of one.
fn the_box(session: &Session, me: &Unlocked, text: &str) -> Result<DropBox, Fault> {
    let text = text.trim();
    if text.parse::<BoxId>().is_err() && text.len() < PREFIX_MIN {
        return Err(Fault::new(Class::Usage, format!("{} is not the id of a drop box", quoted(text))).hint(
            format!("give it whole, or at least its first {PREFIX_MIN} characters: wax drop ls shows them"),
        ));
    }
    let boxes = session.run(session.client.boxes(me))?.boxes;
    let mut found = boxes.into_iter().filter(|one| one.box_id.to_string().starts_with(text));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Fault::new(Class::NotFound, "none of your drop boxes has that id")
            .hint("wax drop ls shows them; one that ended long ago is no longer there")),
        (Some(_), Some(_)) => {
            Err(Fault::new(Class::Usage, "several drop boxes begin like that").hint("give more of the id"))
        }
    }
}

/// What a box is called, for whoever looks at something that came into it.
pub(super) fn title_of(session: &Session, me: &Unlocked, id: BoxId) -> Result<Option<String>, Fault> {
    let boxes = session.run(session.client.boxes(me))?.boxes;
    Ok(boxes.into_iter().find(|one| one.box_id == id).map(|one| one.title))
}

fn json(one: &DropBox) -> BoxJson {
    BoxJson {
        id: one.box_id.to_string(),
        address: one.address.expose_secret().to_string(),
        title: one.title.clone(),
        note: one.note.clone(),
        created: stamp(one.created),
        ends: stamp(one.ends),
        max_files: one.max_files,
        max_bytes: one.max_size,
        arrivals: one.arrivals,
        under_way: one.under_way,
        closed: one.closed,
    }
}
