//! Files: manifest, grant, body.

use crate::outward::{is_by_sender, is_of_box, link_of};
use crate::world::{Opener, array, file, hex, public_key, root_id, unhex};
use aws_lc_rs::digest::{SHA256, digest};
use envelope::ed25519::PublicKey;
use envelope::merkle;
use envelope::segment::SEGMENT_LEN;
use envelope::{FileId, Grant, Manifest, Suite};
use format::compress::Inflater;
use format::metadata::{Compression, Metadata};
use format::open::{OpenFile, Sharing, open_file};
use format::payload::{plain_of, segments_of};
use format::{FileKey, OpenedFile, PayloadOpener, Position, Secret, pad};
use serde_json::{Value, json};

pub(crate) fn open(case: &Value) -> Result<Value, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let manifest = Manifest::parse(unhex(&case["manifest"])).map_err(|e| words(&e))?;
    let grant = Grant::parse(unhex(&case["grant"])).map_err(|e| words(&e))?;
    let (author, grantor) = (public_key(&case["author"]), public_key(&case["grantor"]));
    if !case["reader"]["link"].is_null() {
        return behind_a_link(case, &manifest, &grant, author.as_ref());
    }
    let opener = Opener::of(case);
    let open = OpenFile {
        manifest: &manifest,
        grant: &grant,
        reader: opener.reader(),
        author: author.as_ref(),
        grantor: grantor.as_ref(),
        linked: &[],
    };
    let opened = open_file(&open).map_err(|e| words(&e))?;
    let shown_in = &case["box_id"];
    let is_anonymous = manifest.suite() == Suite::Anonymous;
    if is_anonymous && !shown_in.is_null() && !is_of_box(shown_in, opened.metadata.box_id) {
        return Err("it is of no such box".into());
    }
    content(&manifest, &opened, body_of(case))
}

/// Whoever has a link takes manifest and grant by the sender that it names, and by nobody else.
fn behind_a_link(
    case: &Value,
    manifest: &Manifest,
    grant: &Grant,
    author: Option<&PublicKey>,
) -> Result<Value, String> {
    let (address, keys) = link_of(&case["reader"]["link"], &case["reader"]["password"])?;
    if !is_by_sender(&address, author) {
        return Err("the link names another sender".into());
    }
    let reader = format::open::Reader::Link(&keys);
    let open = OpenFile { manifest, grant, reader, author, grantor: None, linked: &[] };
    let opened = open_file(&open).map_err(|e| e.to_string())?;
    content(manifest, &opened, body_of(case))
}

/// A grant as it is, opened by nobody.
pub(crate) fn grant(case: &Value) -> Result<Value, String> {
    let grant = Grant::parse(unhex(&case["grant"])).map_err(|e| e.to_string())?;
    assert_eq!(grant.as_bytes(), unhex(&case["grant"]));
    Ok(Value::Null)
}

/// One segment of a payload.
pub(crate) fn segment(case: &Value) -> Result<Value, String> {
    let fk = FileKey::from_secret(Secret::from_bytes(array(&case["fk"])));
    let file_id = FileId::from_bytes(array(&case["file_id"]));
    let author = root_id(&case["author_root_id"]);
    let opener = PayloadOpener::new(&fk, Suite::Signed, file_id, author, &array(&case["header"]));
    let opener = opener.map_err(|e| e.to_string())?;
    let position = if case["last"] == true { Position::Final } else { Position::Inner };
    let segment = &mut match case["segment_file"].as_str() {
        Some(path) => file(path),
        None => unhex(&case["segment"]),
    };
    let plain = opener.open_in_place(case["index"].as_u64().unwrap(), position, segment);
    let plain = plain.map_err(|e| e.to_string())?;
    Ok(json!({"plain": hex(plain), "sha256": hex(digest(&SHA256, plain).as_ref())}))
}

pub(crate) fn body_of(case: &Value) -> Vec<u8> {
    match case["body"]["segments"].as_array() {
        None => unhex(&case["body"]["hex"]),
        Some(paths) => paths.iter().flat_map(|path| file(path.as_str().unwrap())).collect(),
    }
}

/// Opens a body whole, and tells by whom it was shared.
pub(crate) fn content(manifest: &Manifest, opened: &OpenedFile, body: Vec<u8>) -> Result<Value, String> {
    let mut told = whole(manifest, &opened.metadata, &opened.opener, body)?;
    told["sharing"] = match opened.sharing {
        Sharing::ByAuthor(_) => "by the author",
        Sharing::ByAuthorRotated { .. } => "by the author, with another root",
        Sharing::ByAuthorRewrapped(_) => "rewrapped",
        Sharing::PassedOn { .. } => "passed on",
        Sharing::Anonymous => "anonymous",
        Sharing::AnonymousSharedBy(_) => "anonymous, shared by",
    }
    .into();
    Ok(told)
}

/// Opens a body whole: root, tags, padding, compression.
pub(crate) fn whole(
    manifest: &Manifest,
    metadata: &Metadata,
    opener: &PayloadOpener,
    mut body: Vec<u8>,
) -> Result<Value, String> {
    if body.len() as u64 != manifest.body_len() {
        return Err("the body has another length than was signed".into());
    }
    let leaves: Vec<_> = body.chunks(SEGMENT_LEN).map(merkle::leaf).collect();
    if merkle::root(&leaves) != Some(manifest.body_root()) {
        return Err("the body has another root than was signed".into());
    }
    let segments = &mut segments_of(&mut body);
    opener.open_batch(0, Position::Final, segments, Some(&leaves)).map_err(|e| e.to_string())?;
    let mut stored = Vec::new();
    let mut at = 0;
    for plain in plain_of(&body) {
        stored.extend(pad::strip(metadata.stored_size, at, plain).map_err(|e| e.to_string())?);
        at += plain.len() as u64;
    }
    let content = match metadata.compression {
        Compression::None => stored,
        Compression::Gzip => {
            let mut inflater = Inflater::new(Vec::new(), metadata.original_size);
            inflater.push(&stored).map_err(|e| e.to_string())?;
            inflater.finish().map_err(|e| e.to_string())?
        }
    };
    Ok(json!({
        "name": metadata.name.as_str(),
        "media_type": metadata.media_type,
        "original_size": content.len(),
        "modified_ms": metadata.modified_ms,
        "sha256": hex(digest(&SHA256, &content).as_ref()),
    }))
}
