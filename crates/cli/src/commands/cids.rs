//! Where a file is on IPFS, as `wax info` tells it.

use super::ls::SHORT_ID;
use crate::app::Session;
use crate::args::Info;
use crate::console::Console;
use crate::expiry::count;
use crate::fault::{Class, Fault};
use client::{FileSummary, PublishedPart};
use serde::Serialize;

/// CIDs that are shown without being asked for.
const SHOWN: usize = 3;

/// `{"published_parts", "parts": [{"n", "bytes", "cid"}]}`.
#[derive(Serialize)]
pub(super) struct IpfsJson {
    published_parts: u64,
    parts: Vec<PartJson>,
}

/// A part; without a CID it is not there.
#[derive(Serialize)]
struct PartJson {
    n: usize,
    bytes: u64,
    cid: Option<String>,
}

impl IpfsJson {
    pub(super) fn of(parts: &[PublishedPart]) -> Option<Self> {
        let json = |(n, part): (usize, &PublishedPart)| PartJson {
            n,
            bytes: part.bytes,
            cid: part.cid.as_ref().map(ToString::to_string),
        };
        let parts_json = parts.iter().enumerate().map(json).collect();
        (!parts.is_empty()).then(|| Self { published_parts: published(parts), parts: parts_json })
    }
}

fn published(parts: &[PublishedPart]) -> u64 {
    parts.iter().filter(|part| part.cid.is_some()).count() as u64
}

/// The parts of a file that is on IPFS; none if it is not. Where the server does not tell, that is an error only for whoever asked
/// for them.
pub(super) fn of(
    console: &Console,
    session: &Session,
    args: &Info,
    file: &FileSummary,
) -> Result<Vec<PublishedPart>, Fault> {
    match session.run(session.client.cids(file)) {
        Err(fault) if !args.cids && fault.class != Class::Cancelled => {
            console.warn(format!("whether and where the file is on IPFS cannot be shown: {}", fault.what));
            Ok(Vec::new())
        }
        parts => parts,
    }
}

/// Every CID on a line of its own, in order, and nothing else.
pub(super) fn all(console: &Console, file: &FileSummary, parts: &[PublishedPart]) -> Result<(), Fault> {
    if file.is_folder {
        return Err(Fault::new(Class::Usage, "that is a folder, and the CIDs of its files are not told")
            .hint("to fetch files by their CIDs, send them one by one"));
    }
    let there = published(parts);
    if there == 0 || there != parts.len() as u64 {
        let what = match there {
            0 => "the file is not on IPFS, says the server".to_owned(),
            there => format!("only {there} of its {} parts are on IPFS, says the server", parts.len()),
        };
        return Err(Fault::new(Class::NotFound, what).hint("fetch it from the server: wax get ID"));
    }
    parts.iter().filter_map(|part| part.cid.as_ref()).try_for_each(|cid| console.say(cid.as_str()))
}

/// That it is there, and the first few.
pub(super) fn tell(console: &Console, file: &FileSummary, parts: &[PublishedPart]) -> Result<(), Fault> {
    if parts.is_empty() {
        return Ok(());
    }
    if file.is_folder {
        return console.say("ipfs     published: cannot be taken back");
    }
    let (there, all) = (published(parts), parts.len() as u64);
    let how_many = if there == all { count(all, "part") } else { format!("{there} of {all} parts") };
    console.say(format!("ipfs     {how_many}, published: cannot be taken back"))?;
    for cid in parts.iter().filter_map(|part| part.cid.as_ref()).take(SHOWN) {
        console.say(format!("         {cid}"))?;
    }
    let more = there.saturating_sub(SHOWN as u64);
    if more > 0 {
        let id = &file.file_id.to_string()[..SHORT_ID];
        console.say(format!("         and {more} more: wax info {id} --cids"))?;
    }
    Ok(())
}
