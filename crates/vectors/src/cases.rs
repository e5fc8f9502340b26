//! What a case is, and the people and keys that all cases share.

mod boxes;
mod bundles;
mod containers;
mod files;
mod folders;
mod grants;
mod lies;
mod links;
mod numbers;
mod pins;
mod segments;
mod signatures;
mod vaults;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::PrivateDecryptingKey;
use num_bigint::BigUint;
use serde_json::{Value, json};

use crate::forge::{Key, Person, Recipient, Sealed};
use crate::primitives::sha256;

/// One file of `spec/vectors`.
pub(crate) struct Case {
    /// Path below `spec/vectors`.
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

/// Everybody and everything that cases are about.
pub(crate) struct World {
    pub(crate) alice: Person,
    pub(crate) bob: Person,
    pub(crate) carol: Person,
    pub(crate) mallory: Person,
    pub(crate) rsa: Vec<RsaKey>,
    /// RSA keys that the format does not know, by what is wrong with them; PKCS#8.
    pub(crate) strange_rsa: Vec<(&'static str, &'static str, Vec<u8>)>,
}

/// A committed RSA key.
pub(crate) struct RsaKey {
    pub(crate) path: &'static str,
    pub(crate) pkcs8: Vec<u8>,
    pub(crate) spki: Vec<u8>,
    pub(crate) modulus: BigUint,
}

impl RsaKey {
    fn read(path: &'static str, pem: &str) -> Self {
        let pkcs8 = base64(pem);
        let public = PrivateDecryptingKey::from_pkcs8(&pkcs8).expect("an RSA key").public_key();
        let spki = public.as_der().expect("a public key").as_ref().to_vec();
        let end = spki.len() - 5;
        let modulus = BigUint::from_bytes_be(&spki[end - public.key_size_bytes()..end]);
        Self { path, pkcs8, spki, modulus }
    }

    pub(crate) fn recipient(&self, root_id: [u8; 32]) -> Recipient {
        Recipient { root_id, key: Key::Rsa(self.modulus.clone(), self.spki.clone()) }
    }
}

impl World {
    fn new() -> Self {
        Self {
            alice: Person::new("alice"),
            bob: Person::new("bob"),
            carol: Person::new("carol"),
            mallory: Person::new("mallory"),
            rsa: vec![
                RsaKey::read("keys/rsa-2048.pem", include_str!("../../../spec/vectors/keys/rsa-2048.pem")),
                RsaKey::read("keys/rsa-3072.pem", include_str!("../../../spec/vectors/keys/rsa-3072.pem")),
                RsaKey::read("keys/rsa-4096.pem", include_str!("../../../spec/vectors/keys/rsa-4096.pem")),
            ],
            strange_rsa: [
                (
                    "of-1024-bits",
                    "An RSA key of 1024 bits.",
                    include_str!("../../../spec/vectors/keys/rsa-1024.pem"),
                ),
                (
                    "of-2047-bits",
                    "An RSA key of 2047 bits.",
                    include_str!("../../../spec/vectors/keys/rsa-2047.pem"),
                ),
                (
                    "of-4104-bits",
                    "An RSA key of 4104 bits.",
                    include_str!("../../../spec/vectors/keys/rsa-4104.pem"),
                ),
                (
                    "with-exponent-3",
                    "An RSA key with the exponent 3.",
                    include_str!("../../../spec/vectors/keys/rsa-2048-exponent-3.pem"),
                ),
                (
                    "for-pss",
                    "An RSA key whose algorithm is RSASSA-PSS.",
                    include_str!("../../../spec/vectors/keys/rsa-2048-pss.pem"),
                ),
            ]
            .map(|(name, about, pem)| (name, about, base64(pem)))
            .into(),
        }
    }
}

/// Every case, in a fixed order.
pub(crate) fn all() -> Vec<Case> {
    let world = World::new();
    let mut cases = Vec::new();
    files::add(&world, &mut cases);
    lies::add(&world, &mut cases);
    segments::add(&world, &mut cases);
    grants::add(&world, &mut cases);
    bundles::add(&world, &mut cases);
    vaults::add(&world, &mut cases);
    containers::add(&world, &mut cases);
    signatures::add(&world, &mut cases);
    numbers::add(&world, &mut cases);
    links::add(&world, &mut cases);
    boxes::add(&world, &mut cases);
    folders::add(&world, &mut cases);
    pins::add(&world, &mut cases);
    cases
}

/// A case as a JSON file, named `kind/name.json`.
pub(crate) fn case(kind: &str, name: &str, about: &str, mut fields: Value) -> Case {
    let object = fields.as_object_mut().expect("a case is an object");
    object.insert("about".into(), about.into());
    let mut bytes = serde_json::to_vec_pretty(&fields).expect("JSON");
    bytes.push(b'\n');
    Case { path: format!("{kind}/{name}.json"), bytes }
}

/// Who opens a file.
pub(crate) enum ReadBy<'w> {
    Person(&'w Person),
    Rsa(&'w RsaKey),
    /// An RSA key that belongs to a person.
    RsaOf(&'w RsaKey, &'w Person),
    /// A person with both kinds of keys.
    Both(&'w RsaKey, &'w Person),
    /// The address of a link, and its password.
    Link(String, Option<String>),
}

impl ReadBy<'_> {
    fn json(&self) -> Value {
        match self {
            Self::Person(person) => {
                json!({"root_seed": hex(&person.root_seed), "xwing_seed": hex(&person.xwing_seed)})
            }
            Self::Rsa(key) => json!({"rsa_key": key.path}),
            Self::RsaOf(key, person) => json!({"root_seed": hex(&person.root_seed), "rsa_key": key.path}),
            Self::Both(key, person) => json!({
                "root_seed": hex(&person.root_seed),
                "xwing_seed": hex(&person.xwing_seed),
                "rsa_key": key.path,
            }),
            Self::Link(address, password) => json!({"link": address, "password": password}),
        }
    }
}

/// A file with its grant, as a reader meets them.
pub(crate) struct Met<'w> {
    pub(crate) manifest: Vec<u8>,
    pub(crate) grant: Vec<u8>,
    pub(crate) body: Value,
    pub(crate) author: Option<&'w Person>,
    pub(crate) grantor: Option<&'w Person>,
    pub(crate) reader: ReadBy<'w>,
    /// The drop box as one of whose files it is shown.
    pub(crate) shown_in: Option<[u8; 16]>,
}

impl<'w> Met<'w> {
    /// A file of Alice for Bob, as they are now.
    pub(crate) fn new(world: &'w World, sealed: &Sealed<'w>, grant: Vec<u8>) -> Self {
        Self {
            manifest: sealed.manifest(),
            grant,
            body: body(&sealed.segments),
            author: sealed.file.author,
            grantor: None,
            reader: ReadBy::Person(&world.bob),
            shown_in: None,
        }
    }

    fn json(&self) -> Value {
        let mut fields = json!({
            "manifest": hex(&self.manifest),
            "grant": hex(&self.grant),
            "body": self.body,
            "author": self.author.map(|person| hex(&person.root)),
            "grantor": self.grantor.map(|person| hex(&person.root)),
            "reader": self.reader.json(),
        });
        if let Some(id) = self.shown_in {
            fields["box_id"] = hex(&id).into();
        }
        fields
    }

    pub(crate) fn refused(&self, name: &str, about: &str) -> Case {
        let mut fields = self.json();
        fields["expect"] = "refuse".into();
        case("file", name, about, fields)
    }

    pub(crate) fn opens(&self, name: &str, about: &str, result: Value) -> Case {
        let mut fields = self.json();
        fields["expect"] = "open".into();
        fields["result"] = result;
        case("file", name, about, fields)
    }
}

/// A short body stands in the case; of a long one the segments stand in files of their own.
pub(crate) fn body(segments: &[Vec<u8>]) -> Value {
    if segments.iter().all(|segment| segment.len() < 20_000) {
        return json!({"hex": hex(&segments.concat())});
    }
    json!({"segments": segments.iter().map(|segment| segment_path(segment)).collect::<Vec<_>>()})
}

/// Files for the long segments that cases refer to.
pub(crate) fn segment_files(segments: &[Vec<u8>], cases: &mut Vec<Case>) {
    for segment in segments {
        let path = segment_path(segment);
        if cases.iter().all(|case| case.path != path) {
            cases.push(Case { path, bytes: segment.clone() });
        }
    }
}

fn segment_path(segment: &[u8]) -> String {
    format!("segments/{}.bin", &hex(&sha256(&[segment]))[..16])
}

/// What opening a file gives.
pub(crate) fn result(name: &str, media_type: &str, content: &[u8], sharing: &str) -> Value {
    json!({
        "name": name,
        "media_type": media_type,
        "original_size": content.len(),
        "sha256": hex(&sha256(&[content])),
        "sharing": sharing,
    })
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n ^ n >> 8 ^ n >> 16).to_le_bytes()[0]).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of a PEM block. The keys were made by us, so what is no digit is the frame.
fn base64(pem: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let lines = pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let digits: Vec<u32> = lines
        .bytes()
        .filter_map(|byte| alphabet.iter().position(|digit| *digit == byte))
        .filter_map(|digit| u32::try_from(digit).ok())
        .collect();
    digits
        .chunks(4)
        .flat_map(|four| {
            let number = four.iter().fold(0, |number, digit| number << 6 | digit) << (6 * (4 - four.len()));
            number.to_be_bytes()[1..four.len()].to_vec()
        })
        .collect()
}
