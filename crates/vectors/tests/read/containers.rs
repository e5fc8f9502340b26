//! Containers, read from a stream as they come.

use crate::files::content;
use crate::world::{Opener, file, unhex};
use envelope::container::{Head, read_leaves};
use format::open::{OpenFile, open_file};
use serde_json::Value;
use std::io::Read;

pub(crate) fn open(case: &Value) -> Result<Value, String> {
    let bytes = match case["container_file"].as_str() {
        Some(path) => file(path),
        None => unhex(&case["container"]),
    };
    let mut source = bytes.as_slice();
    let opener = Opener::of(case);
    let head = Head::read(&mut source, |grant| opener.wants(grant)).map_err(|e| e.to_string())?;
    let open = OpenFile {
        manifest: &head.manifest,
        grant: head.grants.first().ok_or("no grant for this reader")?,
        reader: opener.reader(),
        author: head.author.as_ref().map(|bundle| bundle.root_key()),
        grantor: None,
        linked: &[],
    };
    let opened = open_file(&open).map_err(|e| e.to_string())?;
    read_leaves(&mut source, &head.manifest, |_| Ok(())).map_err(|e| e.to_string())?;
    let mut body = Vec::new();
    source.read_to_end(&mut body).map_err(|e| e.to_string())?;
    content(&head.manifest, &opened, body)
}
