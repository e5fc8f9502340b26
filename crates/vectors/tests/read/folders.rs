//! Bundles of files: lists, and members that are held against one.

use crate::files::{body_of, whole};
use crate::world::{hex, public_key, text, unhex};
use envelope::Manifest;
use format::folder::{Folder, open_member};
use serde_json::{Value, json};

pub(crate) fn list(case: &Value) -> Result<Value, String> {
    let folder = Folder::decode(&unhex(&case["list"])).map_err(|e| e.to_string())?;
    assert_eq!(folder.encode()[..], unhex(&case["list"]));
    let members: Vec<Value> = folder
        .members()
        .iter()
        .map(|member| {
            json!({
                "path": member.path.as_str(),
                "file_id": hex(member.file_id.as_bytes()),
                "content_id": hex(member.content_id.as_bytes()),
                "size": member.size,
                "min_revision": member.min_revision,
            })
        })
        .collect();
    let empty: Vec<&str> = folder.empty().iter().map(|path| path.as_str()).collect();
    Ok(json!({"members": members, "empty": empty}))
}

pub(crate) fn member(case: &Value) -> Result<Value, String> {
    let folder = Folder::decode(&unhex(&case["list"])).unwrap();
    let member = folder.members().iter().find(|member| member.path.as_str() == text(case, "path")).unwrap();
    let manifest = Manifest::parse(unhex(&case["manifest"])).map_err(|e| e.to_string())?;
    let author = public_key(&case["author"]).unwrap();
    let opened = open_member(member, &manifest, &author).map_err(|e| e.to_string())?;
    whole(&manifest, &opened.metadata, &opened.opener, body_of(case))
}
