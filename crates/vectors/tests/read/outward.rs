//! Links, drop boxes, records of pins.

use crate::world::{array, case, hex, identity, public_key, text, unhex};
use envelope::ed25519::{PublicKey, Signature};
use envelope::link::verify_proof;
use envelope::{BoxDescription, BoxId, LinkId, RootId, UserId};
use format::drop_box::{BoxAddress, open_box};
use format::link::LinkAddress;
use format::pins::open_pins;
use format::{LinkKeys, Passphrase};
use serde_json::{Value, json};

/// An address of a link, and what comes out of it.
pub(crate) fn link_of(address: &Value, password: &Value) -> Result<(LinkAddress, LinkKeys), String> {
    let address = LinkAddress::parse(address.as_str().unwrap()).map_err(|e| e.to_string())?;
    let password = password.as_str().map(|text| Passphrase::parse(text.to_owned()).unwrap());
    if address.has_password() && password.is_none() {
        return Err("the link has a password".into());
    }
    let keys = address.keys(password.as_ref());
    Ok((address, keys))
}

pub(crate) fn link(case: &Value) -> Result<Value, String> {
    let (address, keys) = link_of(&case["address"], &case["password"])?;
    Ok(json!({
        "origin": address.origin(),
        "link_id": hex(address.id().as_bytes()),
        "root_id": hex(address.sender().as_bytes()),
        "has_password": address.has_password(),
        "public_key": hex(keys.public().as_bytes()),
        "proof": hex(keys.prove(&array(&case["nonce"])).as_bytes()),
        "address": *address.expose_secret(),
    }))
}

pub(crate) fn proof(case: &Value) -> Result<Value, String> {
    let key = PublicKey::from_bytes(array(&case["public_key"]));
    let link = LinkId::from_bytes(array(&case["link_id"]));
    let proof = Signature::from_bytes(array(&case["proof"]));
    verify_proof(&key, link, &array(&case["nonce"]), &proof).map_err(|e| e.to_string())?;
    Ok(Value::Null)
}

/// As a visitor meets a box: the address decides whose it is.
pub(crate) fn drop_box(case: &Value) -> Result<Value, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let address = BoxAddress::parse(text(case, "address")).map_err(|e| words(&e))?;
    let description = BoxDescription::parse(unhex(&case["description"])).map_err(|e| words(&e))?;
    assert_eq!(description.as_bytes(), unhex(&case["description"]));
    let owner = public_key(&case["owner"]).unwrap();
    if RootId::of(&owner) != address.owner() {
        return Err("the address names somebody else".into());
    }
    let opened = open_box(&description, address.id(), &owner, address.key()).map_err(|e| words(&e))?;
    assert_eq!(*address.expose_secret(), text(case, "address"));
    let terms = description.terms();
    Ok(json!({
        "created": terms.created,
        "ends": terms.ends,
        "max_files": terms.max_files,
        "max_body": terms.max_body,
        "title": opened.as_ref().map(|words| words.title()),
        "note": opened.as_ref().map(|words| words.note()),
    }))
}

pub(crate) fn box_keys() {
    for row in case("numbers", "boxes")["boxes"].as_array().unwrap() {
        let owner = identity(array(&row["root_seed"]), [9; 32], None);
        let (root, id) = (owner.root().root_id(), BoxId::from_bytes(array(&row["box_id"])));
        let key = owner.box_key(root, id);
        let address = BoxAddress::new("https://files.people.example", id, key, root).unwrap();
        assert_eq!(*address.expose_secret(), text(row, "address"));
    }
}

pub(crate) fn pins(case: &Value) -> Result<Value, String> {
    let me = identity(array(&case["root_seed"]), [9; 32], None);
    let user_id = UserId::from_bytes(array(&case["user_id"]));
    let (version, record) = open_pins(&me, user_id, &unhex(&case["pins"])).map_err(|e| e.to_string())?;
    let contacts: Vec<Value> = record
        .contacts
        .iter()
        .map(|(address, contact)| {
            let previous: Vec<Value> =
                contact.previous.iter().map(|(root, linked)| json!([hex(root.as_bytes()), linked])).collect();
            json!({
                "address": address.as_str(),
                "user_id": hex(contact.user_id.as_bytes()),
                "root_id": hex(contact.root_id.as_bytes()),
                "seq": contact.seq,
                "hash": hex(&contact.bundle_hash),
                "verified": contact.verified,
                "first_seen": contact.first_seen,
                "previous": previous,
            })
        })
        .collect();
    let forgotten: Vec<Value> =
        record.forgotten.iter().map(|(address, at)| json!([address.as_str(), at])).collect();
    let files: Vec<Value> = record
        .revisions
        .iter()
        .map(|(id, seen)| json!([hex(id.as_bytes()), seen.revision, hex(&seen.digest)]))
        .collect();
    Ok(json!({"version": version, "contacts": contacts, "forgotten": forgotten, "files": files}))
}

/// Whether a link names whoever signed the file that is behind it.
pub(crate) fn is_by_sender(address: &LinkAddress, author: Option<&PublicKey>) -> bool {
    author.is_some_and(|author| RootId::of(author) == address.sender())
}

/// Whether a file that nobody signed is one of the box as one of whose files it is shown.
pub(crate) fn is_of_box(shown_in: &Value, sealed: Option<[u8; 16]>) -> bool {
    sealed == Some(array(shown_in))
}
