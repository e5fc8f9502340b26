//! Writes seeds for the fuzzers: real sealed things, legal text and JSON, and near misses of each.
//!
//! `seeds FOLDER` makes `FOLDER/TARGET/NAME` for every target. Keys and nonces are fresh in each run.

use std::error::Error;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use envelope::bundle::{BundleBody, BundleKey, KeyAlgorithm, KeyUsage};
use envelope::ed25519::PublicKey;
use envelope::grant::GrantHead;
use envelope::merkle::{self, Node};
use envelope::segment::{BodyShape, SEGMENT_PLAIN};
use envelope::{Bundle, ContentId, FileId, RecipientId, RootId, Suite, UserId, Wrap};
use flate2::{Compression as Level, GzBuilder};
use format::grant::{RecipientKey, SealGrant, seal_grant};
use format::identity::BundleParams;
use format::manifest::{SealManifest, seal_manifest, suite_of};
use format::metadata::{Compression, Padding, Preview};
use format::phrase::RecoveryPhrase;
use format::rsa::{RsaBits, RsaPrivateKey};
use format::safety::safety_number;
use format::small::{open_small, seal_small};
use format::{FileKey, FileName, Identity, Metadata, PayloadSealer, Position, RootKeyPair, Secret, random};
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::Encode;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::pkcs5::scrypt;
use strangers::{TARGETS, real_containers};

type Outcome = Result<(), Box<dyn Error>>;

/// Writes seeds under one folder.
struct Seeds(PathBuf);

impl Seeds {
    fn write(&self, target: &str, name: &str, bytes: &[u8]) -> Outcome {
        assert!(TARGETS.iter().any(|(known, _)| *known == target), "{target} is no target");
        let folder = self.0.join(target);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join(name), bytes)?)
    }

    /// The bytes, and what is wrong by a little: one byte less, one more, one bit at some places.
    fn write_with_misses(&self, target: &str, name: &str, bytes: &[u8]) -> Outcome {
        self.write(target, name, bytes)?;
        self.write(target, &format!("{name}_truncated"), &bytes[..bytes.len().saturating_sub(1)])?;
        self.write(target, &format!("{name}_trailing"), &[bytes, &[0]].concat())?;
        for part in 0..4 {
            let at = bytes.len().saturating_sub(1) * part / 3;
            let mut flipped = bytes.to_vec();
            if let Some(byte) = flipped.get_mut(at) {
                *byte ^= 1;
            }
            self.write(target, &format!("{name}_flipped_{part}"), &flipped)?;
        }
        Ok(())
    }
}

fn main() -> Outcome {
    let folder = env::args_os().nth(1).ok_or("name a folder")?;
    let seeds = Seeds(Path::new(&folder).to_owned());
    files(&seeds)?;
    layouts(&seeds)?;
    bundles(&seeds)?;
    behind_seals(&seeds)?;
    deflate(&seeds)?;
    signatures(&seeds)?;
    sizes(&seeds)?;
    text(&seeds)?;
    json(&seeds)?;
    keys(&seeds)?;
    for (target, _) in TARGETS {
        seeds.write(target, "empty", &[])?;
    }
    Ok(())
}

fn metadata(box_id: Option<[u8; 16]>, preview: Option<Preview>) -> Result<Metadata, Box<dyn Error>> {
    Ok(Metadata {
        name: FileName::parse("report.pdf")?,
        media_type: "application/pdf".to_owned(),
        original_size: 1000,
        stored_size: 1000,
        compression: Compression::None,
        padding: Padding::None,
        modified_ms: 1_700_000_000_000,
        box_id,
        preview,
    })
}

/// Manifests and grants of both suites, and edits of them.
fn files(seeds: &Seeds) -> Outcome {
    let (root, reader) = (RootKeyPair::generate(), Identity::generate());
    let recipient = RecipientKey::xwing(Some(reader.root_id()), reader.xwing_public())?;
    for (name, author) in [("signed", Some(&root)), ("anonymous", None)] {
        let (fk, file_id) = (FileKey::generate(), random::file_id());
        let (suite, id) = suite_of(author);
        let sealer = PayloadSealer::generate(&fk, suite, file_id, id);
        let mut body = vec![0; 1032];
        let leaf = sealer.seal(0, Position::Final, &[7; 1000], &mut body)?.leaf();
        let preview = Preview { media_type: "image/png".to_owned(), bytes: vec![1; 600] };
        let metadata = metadata(None, author.map(|_| preview))?;
        let manifest = seal_manifest(&SealManifest {
            fk: &fk,
            file_id,
            revision: 1,
            author,
            payload_header: sealer.header(),
            body: BodyShape::from_body_len(1032)?,
            body_root: leaf,
            metadata: &metadata,
        })?;
        seeds.write_with_misses("manifest", name, manifest.as_bytes())?;
        let mut other = manifest.as_bytes().to_vec();
        other[9] ^= 2;
        seeds.write("manifest", &format!("{name}_other_suite"), &other)?;
        let seal = SealGrant { fk: &fk, manifest: &manifest, grantor: author, min_revision: 1, not_after: 9 };
        let grant = seal_grant(&seal, &recipient)?;
        seeds.write_with_misses("grant", &format!("xwing_{name}"), grant.as_bytes())?;
        seeds.write("encapsulated_key", name, &[grant.encapsulated_key(), grant.wrapped_key()].concat())?;
    }
    let [signed, anonymous] = real_containers();
    seeds.write_with_misses("container_head", "signed", signed)?;
    seeds.write_with_misses("container_head", "anonymous", anonymous)?;
    for (name, edits) in [
        ("none", &b""[..]),
        ("manifest_byte", &[0, 50, 0, 9, 9]),
        ("grant_byte", &[0, 50, 1, 9, 9]),
        ("swap", &[0, 50, 10, 0, 51]),
        ("there_and_back", &[0, 50, 2, 3, 0, 0, 50, 2, 3, 0]),
        ("insert_and_remove", &[0, 50, 6, 3, 0, 0, 50, 8, 0, 0]),
        ("signature", &[3, 40, 2, 1, 0]),
        ("revision", &[0, 33, 0, 2, 0]),
        ("not_after", &[0, 139, 1, 1, 0]),
    ] {
        seeds.write("altered_file", &format!("signed_{name}"), &[&[0], edits].concat())?;
        seeds.write("altered_container", &format!("signed_{name}"), &[&[0], edits].concat())?;
        seeds.write("altered_container", &format!("anonymous_{name}"), &[&[1], edits].concat())?;
        seeds.write("altered_file", &format!("anonymous_{name}"), &[&[1], edits].concat())?;
    }
    seeds.write_with_misses("recipient_key", "key", reader.xwing_public())
}

/// Grants of the other wraps, vaults, small messages, framings and nodes, in shape only.
fn layouts(seeds: &Seeds) -> Outcome {
    for (name, wrap, wrapped) in [
        ("rsa_2048", Wrap::RsaOaep, vec![1; 256]),
        ("rsa_3072", Wrap::RsaOaep, vec![1; 384]),
        ("rsa_4096", Wrap::RsaOaep, vec![1; 512]),
        ("link", Wrap::Link, seal_small(&Secret::from_bytes([1; 32]), b"", &[0; 32])?),
    ] {
        for suite in [Suite::Signed, Suite::Anonymous] {
            let is_signed = suite == Suite::Signed;
            let head = GrantHead {
                wrap,
                suite,
                file_id: FileId::from_bytes([1; 16]),
                content_id: ContentId::from_bytes([2; 32]),
                recipient_id: RecipientId::of_link(&[3; 16]),
                grantor_root_id: RootId::from_bytes([u8::from(is_signed); 32]),
                min_revision: 1,
                not_after: 0,
            };
            let mut bytes = head.encode(&[], &wrapped)?;
            bytes.resize(bytes.len() + if is_signed { 64 } else { 0 }, 0x77);
            seeds.write_with_misses("grant", &format!("{name}_{}", u8::from(is_signed)), &bytes)?;
        }
    }
    let key = Secret::from_bytes([1; 32]);
    for (name, slots) in [("one_slot", 1_u8), ("two_slots", 2), ("no_slot", 0)] {
        let mut vault = [b"WXWGVT01".as_slice(), &[5; 16], &[0, 0, 0, 1, slots]].concat();
        for kind in 1..=slots {
            vault.push(kind);
            vault.extend_from_slice(&[6; 16]);
            vault.extend_from_slice(&seal_small(&key, b"", &[0; 32])?);
        }
        vault.extend_from_slice(&seal_small(&key, b"", &[0; 100])?);
        seeds.write_with_misses("vault_layout", name, &vault)?;
    }
    for len in [0, 1, 32, 512] {
        let sealed = seal_small(&key, b"", &vec![1; len])?;
        seeds.write_with_misses("small_outside", &format!("plain_{len}"), &sealed)?;
        let change = [[0, 0, 0, 80].as_slice(), &[1], &vec![1; len]].concat();
        seeds.write("small_message", &format!("plain_{len}"), &change)?;
        seeds.write("small_message", &format!("sealed_{len}"), &sealed)?;
    }
    for (name, is_final, len, word) in [
        ("shortest", 1_u8, 32_u32, 32_u32),
        ("too_short", 1, 31, 31),
        ("full_last", 1, 262_144, 262_144),
        ("full_inner", 0, 262_144, u32::MAX),
        ("inner_not_full", 0, 262_143, u32::MAX),
        ("last_says_inner", 1, 262_144, u32::MAX),
        ("too_long", 1, 262_145, 262_145),
        ("no_word", 1, 3, 3),
    ] {
        let bytes = [[is_final].as_slice(), &len.to_be_bytes(), &word.to_be_bytes()].concat();
        seeds.write("framing", name, &bytes)?;
    }
    for count in [1, 2, 3, 4, 5, 7, 8, 9, 16, 17] {
        let nodes: Vec<Node> = (0..count).map(|n: u8| merkle::leaf(&[n])).collect();
        seeds.write_with_misses("nodes", &format!("count_{count}"), &merkle::nodes_to_bytes(&nodes))?;
    }
    Ok(())
}

fn bundles(seeds: &Seeds) -> Outcome {
    let mut identity = Identity::generate();
    let user_id = UserId::from_bytes([9; 16]);
    let params = |seq, prev_hash| BundleParams {
        user_id,
        address: "alice@host.example".parse().expect("an address"),
        seq,
        prev_hash,
        created: 1,
        min_format: 1,
    };
    let first = identity.bundle(&params(1, [0; 32]))?;
    seeds.write_with_misses("bundle", "first", first.as_bytes())?;
    identity.rotate();
    let second = identity.rotation_bundle(&params(2, first.hash()))?;
    seeds.write_with_misses("bundle", "rotated", second.as_bytes())?;
    let keys = [(KeyAlgorithm::Rsa, 294), (KeyAlgorithm::Rsa, 422), (KeyAlgorithm::Rsa, 550)];
    let body = BundleBody {
        user_id,
        seq: 1,
        prev_hash: [0; 32],
        root_key: PublicKey::from_bytes([3; 32]),
        prev_root: None,
        created: 1,
        min_format: 1,
        address: "ü@h.example".parse()?,
        keys: keys
            .map(|(algorithm, len)| BundleKey {
                usage: KeyUsage::V0Only,
                algorithm,
                not_before: 1,
                not_after: 2,
                key: vec![4; len].into(),
            })
            .into(),
    };
    let mut bytes = body.encode()?;
    bytes.extend_from_slice(&[5; 64]);
    bytes.extend_from_slice(&[0; 64]);
    assert!(Bundle::parse(bytes.clone()).is_ok());
    seeds.write_with_misses("bundle", "rsa_keys", &bytes)?;
    for (name, links) in [
        ("one", &[[0, 0, 0, 0]][..]),
        ("three", &[[0, 0, 0, 0]; 3]),
        ("longest", &[[0, 0, 0, 0]; 65]),
        ("too_long", &[[0, 0, 0, 0]; 66]),
        ("rotated", &[[0, 0, 0, 0], [0, 0, 0x11, 0]]),
        ("rotated_badly_signed", &[[0, 0, 0, 0], [0, 0, 0x11, 0x10]]),
        ("unlinked", &[[0, 0, 0, 0], [0, 0, 1, 0]]),
        ("wrong_hash", &[[0, 0, 0, 0], [2, 0, 0, 0]]),
        ("other_user", &[[0, 0, 0, 0], [1, 0, 0, 0]]),
        ("repeated", &[[0, 0, 0, 0], [0, 0xf0, 0, 0]]),
        ("skipped", &[[0, 0, 0, 0], [0, 0xf8, 0, 0]]),
        ("badly_signed", &[[0, 0, 0, 0], [0, 0, 0, 1]]),
        ("last_number", &[[0, 0xfc, 0, 0], [0, 0, 0, 0]]),
    ] {
        seeds.write("bundle_chain", name, links.as_flattened())?;
    }
    Ok(())
}

/// Plaintexts of seals: metadata as the format's writer makes it, bodies of vaults.
fn behind_seals(seeds: &Seeds) -> Outcome {
    for (name, cbor) in [
        ("plain", b"\xa7\x01\x61n\x02\x60\x03\x19\x10\x00\x04\x19\x10\x00\x05\x00\x06\x00\x07\x00".to_vec()),
        ("padded", b"\xa7\x01\x61n\x02\x60\x03\x01\x04\x01\x05\x00\x06\x01\x07\x20".to_vec()),
        ("gzip", b"\xa7\x01\x61n\x02\x60\x03\x1a\x00\x01\x00\x00\x04\x19\x10\x00\x05\x01\x06\x00\x07\x3b\x00\x1f\xff\xff\xff\xff\xff\xfe".to_vec()),
        ("box", b"\xa8\x01\x61n\x02\x60\x03\x19\x10\x00\x04\x19\x10\x00\x05\x00\x06\x00\x07\x00\x08\x500123456789abcdef".to_vec()),
        ("preview", b"\xa8\x01\x61n\x02\x60\x03\x19\x10\x00\x04\x19\x10\x00\x05\x00\x06\x00\x07\x00\x09\xa2\x01\x60\x02\x43abc".to_vec()),
        ("long_form", b"\xa7\x01\x61n\x02\x60\x03\x1a\x00\x00\x10\x00\x04\x19\x10\x00\x05\x00\x06\x00\x07\x00".to_vec()),
        ("repeated", b"\xa8\x01\x61n\x01\x61n\x02\x60\x03\x19\x10\x00\x04\x19\x10\x00\x05\x00\x06\x00\x07\x00".to_vec()),
        ("dots", b"\xa7\x01\x62..\x02\x60\x03\x19\x10\x00\x04\x19\x10\x00\x05\x00\x06\x00\x07\x00".to_vec()),
        ("long_count", b"\xba\xff\xff\xff\xff\x01\x61n".to_vec()),
    ] {
        for flags in [0_u8, 1] {
            let bytes = [[flags].as_slice(), &4096_u64.to_be_bytes(), &cbor].concat();
            seeds.write("metadata", &format!("{name}_{flags}"), &bytes)?;
        }
        let mut whole = u32::try_from(cbor.len())?.to_be_bytes().to_vec();
        whole.extend_from_slice(&cbor);
        let bytes = [[2].as_slice(), &4096_u64.to_be_bytes(), &whole].concat();
        seeds.write("metadata", &format!("{name}_whole"), &bytes)?;
        whole.resize(511, 0);
        whole.push(1);
        let bytes = [[2].as_slice(), &4096_u64.to_be_bytes(), &whole].concat();
        seeds.write("metadata", &format!("{name}_pad_not_zero"), &bytes)?;
    }
    let seed = |n: u8| [b"\x58\x20".as_slice(), &[n; 32]].concat();
    for (name, roots, xwing, tail) in [
        ("one", vec![seed(1)], vec![seed(2)], &b"\x03\x80\x04\x00"[..]),
        ("rotated", vec![seed(1), seed(3)], vec![seed(2), seed(4)], b"\x03\x80\x04\x19\x01\x00"),
        ("rsa", vec![seed(1)], vec![seed(2)], b"\x03\x81\x43abc\x04\x00"),
        ("no_root", vec![], vec![seed(2)], b"\x03\x80\x04\x00"),
        ("no_key", vec![seed(1)], vec![], b"\x03\x80\x04\x00"),
        ("short_seed", vec![b"\x41a".to_vec()], vec![seed(2)], b"\x03\x80\x04\x00"),
        ("no_pins", vec![seed(1)], vec![seed(2)], b"\x03\x80"),
    ] {
        let array = |items: &[Vec<u8>]| {
            let count = 0x80 | u8::try_from(items.len()).expect("few");
            [[count].as_slice(), &items.concat()].concat()
        };
        let body = [b"\xa4\x01".as_slice(), &array(&roots), b"\x02", &array(&xwing), tail].concat();
        seeds.write_with_misses("vault_body", name, &body)?;
    }
    for (name, index, flags, plain) in [
        ("empty", 0_u64, 0_u8, &b""[..]),
        ("only", 0, 0, b"plain"),
        ("inner", 0, 3, b"plain"),
        ("next_key", 1 << 20, 3, b"plain"),
        ("last", (1 << 26) - 1, 0, b"plain"),
        ("beyond", 1 << 26, 0, b"plain"),
        ("empty_after_others", 1, 0, b""),
    ] {
        let bytes = [&index.to_be_bytes()[..], &20_u32.to_be_bytes(), &[1, flags], plain].concat();
        seeds.write("segment", name, &bytes)?;
    }
    assert!(open_small(&Secret::from_bytes([1; 32]), b"", &[]).is_err());
    Ok(())
}

/// RSA keys in every dress, and phrases.
fn keys(seeds: &Seeds) -> Outcome {
    for (name, bits) in [("2048", RsaBits::B2048), ("3072", RsaBits::B3072), ("4096", RsaBits::B4096)] {
        let key = RsaPrivateKey::generate(bits);
        seeds.write_with_misses("spki", name, key.public().spki())?;
        seeds.write_with_misses("pem_public", name, key.public().to_pem().as_bytes())?;
        seeds.write_with_misses("pkcs8_private", name, key.pkcs8())?;
        let text = pem("PRIVATE KEY", key.pkcs8());
        seeds.write_with_misses("pem_private", name, text.as_bytes())?;
        // The PKCS#1 key stands in the PKCS#8 document behind 26 bytes of heads.
        let text = pem("RSA PRIVATE KEY", &key.pkcs8()[26..]);
        seeds.write("pem_private", &format!("{name}_pkcs1"), text.as_bytes())?;
        let text = pem("PRIVATE KEY", key.public().spki());
        seeds.write("pem_private", &format!("{name}_public"), text.as_bytes())?;
        let cheap = scrypt::Params::new(4, 8, 1)?;
        for (kind, parameters) in [
            ("pbkdf2", Parameters::generate_pbkdf2_sha256_aes256cbc(10, &[1; 16], [2; 16])?),
            ("scrypt", Parameters::generate_scrypt_aes256cbc(cheap, &[1; 16], [2; 16])?),
        ] {
            let sealed = parameters.encrypt(b"passphrase", key.pkcs8())?;
            let encrypted_data = OctetStringRef::new(&sealed)?;
            let info = EncryptedPrivateKeyInfoRef { encryption_algorithm: parameters.into(), encrypted_data };
            seeds.write_with_misses("pem_encrypted", &format!("{name}_{kind}"), &info.to_der()?)?;
        }
    }
    let dear = Parameters::generate_pbkdf2_sha256_aes256cbc(10_000_001, &[1; 16], [2; 16])?;
    let encrypted_data = OctetStringRef::new(&[3; 16])?;
    let info = EncryptedPrivateKeyInfoRef { encryption_algorithm: dear.into(), encrypted_data };
    seeds.write("pem_encrypted", "dear", &info.to_der()?)?;
    seeds.write("wrapped_for_rsa", "ones", &[1; 256])?;
    seeds.write("wrapped_for_rsa", "greatest", &[0xff; 256])?;
    let phrase = RecoveryPhrase::parse("zoo ".repeat(23) + "vote")?;
    seeds.write_with_misses("phrase", "zoo", phrase.words().join(" ").as_bytes())?;
    let abandon = "abandon ".repeat(23) + "art";
    seeds.write_with_misses("phrase", "abandon", abandon.as_bytes())?;
    seeds.write("phrase", "shortened", ("Aban\t".repeat(23) + " art\n").as_bytes())?;
    seeds.write("phrase", "checksum", ("abandon ".repeat(23) + "zoo").as_bytes())?;
    seeds.write("phrase", "twenty_five", ("abandon ".repeat(24) + "art").as_bytes())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn deflate(seeds: &Seeds) -> Outcome {
    let mixed: Vec<u8> = (0..3000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for (name, plain) in [
        ("empty", Vec::new()),
        ("byte", vec![b'a']),
        ("zeros", vec![0; 40_000]),
        ("text", b"the same words, and the same words, and the same words again".to_vec()),
        ("mixed", mixed),
    ] {
        for (kind, level) in [("stored", Level::none()), ("fast", Level::fast()), ("best", Level::best())] {
            let builder = GzBuilder::new().mtime(0).operating_system(255);
            let mut member = Vec::new();
            builder.read(plain.as_slice(), level).read_to_end(&mut member)?;
            let size = u32::try_from(plain.len())?.to_be_bytes();
            let bytes = [&size[..], &[100], &member].concat();
            seeds.write_with_misses("inflate_stored", &format!("{name}_{kind}"), &bytes)?;
            let twice = [&bytes[..], &member].concat();
            seeds.write("inflate_stored", &format!("{name}_{kind}_twice"), &twice)?;
            let raw = [&[100], &member[10..member.len() - 8]].concat();
            seeds.write_with_misses("inflate_member", &format!("{name}_{kind}"), &raw)?;
        }
    }
    let mut named = GzBuilder::new().filename("name").write(Vec::new(), Level::fast());
    named.write_all(b"plain")?;
    seeds.write("inflate_stored", "with_name", &[&[0, 0, 0, 5, 9], named.finish()?.as_slice()].concat())
}

fn signatures(seeds: &Seeds) -> Outcome {
    // RFC 8032 section 7.1, TEST 1.
    let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let signature = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
    let text = format!("{key}{signature}");
    let bytes = (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16))
        .collect::<Result<Vec<_>, _>>()?;
    seeds.write_with_misses("ed25519_any", "rfc_8032", &bytes)?;
    let neutral = [&[1][..], &[0; 31], &[1], &[0; 63]].concat();
    seeds.write("ed25519_any", "universal", &neutral)?;
    for key_torsion in 0..8_u8 {
        for r_torsion in 0..8 {
            let name = format!("torsion_{key_torsion}_{r_torsion}");
            seeds.write("ed25519_torsion", &name, &[3, 5, key_torsion, r_torsion, 0, 0, b'm'])?;
        }
    }
    for kind in 0..5 {
        seeds.write("ed25519_torsion", &format!("kind_{kind}"), &[3, 5, 0, 0, kind, 2, b'm'])?;
        seeds.write("ed25519_torsion", &format!("zero_{kind}"), &[0, 0, 0, 0, kind, 2])?;
    }
    Ok(())
}

fn sizes(seeds: &Seeds) -> Outcome {
    let edges = [
        0_u64,
        1,
        31,
        32,
        33,
        4095,
        4096,
        4097,
        262_111,
        262_112,
        262_113,
        262_144,
        262_145,
        262_176,
        262_177,
        1 << 20,
        1 << 31,
        (1 << 44) - 1,
        1 << 44,
        (1 << 44) + 1,
        1 << 53,
        u64::MAX,
    ];
    for edge in edges {
        let name = format!("edge_{edge}");
        let bytes = [&edge.to_be_bytes()[..], &edge.saturating_sub(3).to_be_bytes(), b"abc\0\0"].concat();
        seeds.write("padding", &name, &bytes)?;
        let part = (1_u64 << 20).to_be_bytes();
        let bytes =
            [&edge.to_be_bytes()[..], &edge.to_be_bytes(), &part, &[0; 4], &edge.to_be_bytes()].concat();
        seeds.write("body_shape", &name, &bytes)?;
    }
    let last = [(SEGMENT_PLAIN as u64).to_be_bytes(), [0; 8]].concat();
    seeds.write("padding", "segment", &last)
}

fn text(seeds: &Seeds) -> Outcome {
    for (n, text) in [
        "alice@host.example",
        " a@B.Example ",
        "ü@münchen.example",
        "a.b+c@h-1.example",
        "a@b@c",
        "@b.example",
        "a@-b.example",
        "a@b..example",
        ".a@b.example",
        "e\u{301}@h.example",
        "a@\u{130}.example",
        "a@\u{212a}.example",
        "\"a\"@b.example",
        "a@[127.0.0.1]",
    ]
    .iter()
    .enumerate()
    {
        seeds.write("address", &format!("text_{n}"), text.as_bytes())?;
    }
    let long = "a".repeat(64) + "@" + &("b".repeat(63) + ".").repeat(2) + &"c".repeat(61);
    seeds.write("address", "longest", long.as_bytes())?;
    let spaced = "NUL".to_owned() + &" ".repeat(253) + "x";
    let dotted = "n".repeat(250) + ".tar.gz";
    for (n, name) in [
        "report.pdf",
        "../../etc/passwd",
        "C:\\a",
        "CON",
        "nul.txt",
        "COM\u{b9}.x",
        "-rf",
        " a. ",
        "...",
        "",
        "a\u{202e}txt.exe",
        "\u{feff}",
        "\u{fffd}",
        "e\u{301}.txt",
        "LPT0",
        "conin$ .a",
        "a\u{0}b",
        "\u{1d160}",
        &spaced,
        &dotted,
        &"\u{1d160}".repeat(60),
        &("-".to_owned() + &"x".repeat(254)),
    ]
    .iter()
    .enumerate()
    {
        seeds.write("file_name", &format!("name_{n}"), name.as_bytes())?;
    }
    let uuid = "abababab-abab-4bab-8bab-abababababab";
    for (n, id) in [
        uuid,
        &uuid.to_uppercase(),
        &uuid.replace('-', ""),
        &format!("{{{uuid}}}"),
        &format!("urn:uuid:{uuid}"),
        &"c0".repeat(32),
        &"C0".repeat(32),
        &"c0".repeat(31),
        &("c0".repeat(31) + "\u{e9}"),
    ]
    .iter()
    .enumerate()
    {
        seeds.write("ids", &format!("id_{n}"), id.as_bytes())?;
    }
    seeds.write("safety_number", "two", &[[1; 32], [2; 32]].concat())?;
    let number = safety_number(&RootId::from_bytes([1; 32]), &RootId::from_bytes([2; 32]));
    seeds.write_with_misses("scanned_number", "ours", number.qr_text().as_bytes())?;
    seeds.write("scanned_number", "spaced", format!(" {}\n", number.qr_text()).as_bytes())?;
    seeds.write("scanned_number", "digits", number.to_string().as_bytes())?;
    for (n, text) in ["AAAA", "AA", "AA==", "+/", "-_8", "AB", "A"].iter().enumerate() {
        seeds.write("base64", &format!("text_{n}"), text.as_bytes())?;
    }
    Ok(())
}

fn json(seeds: &Seeds) -> Outcome {
    let uuid = "abababab-abab-4bab-8bab-abababababab";
    let node = "c0".repeat(32);
    let file = format!(
        r#"{{"file_id":"{uuid}","role":"author","manifest":"AAAA","grant":"AAAA","author":"{uuid}","author_bundle":"AAAA","part_len":1048576,"created":1,"expires_at":2,"downloads":0,"max_downloads":3,"recipients":["{uuid}"]}}"#
    );
    let upload = format!(
        r#"{{"file_id":"{uuid}","part_len":1048576,"body_len":5,"expires_at":2,"received_bytes":1,"received_parts":1,"parts":[{{"n":0,"len":5,"node":"{node}"}}]}}"#
    );
    let requests = [
        format!(r#"{{"file_id":"{uuid}","part_len":1048576,"body_len":5}}"#),
        r#"{"email":"a@b.example"}"#.to_owned(),
        format!(
            r#"{{"manifest":"AAAA","grants":[{{"user_id":"{uuid}","grant":"AAAA"}}],"expires_in":60,"max_downloads":1}}"#
        ),
        format!(r#"{{"user_id":"{uuid}","grant":"AAAA"}}"#),
        "{}".to_owned(),
        r#"{"addresses":["a@b.example"]}"#.to_owned(),
        r#"{"bundle":"AAAA"}"#.to_owned(),
        r#"{"refresh_token":"t"}"#.to_owned(),
        r#"{"email":"a@b.example","code":"123456"}"#.to_owned(),
        r#"{"download_id":"d"}"#.to_owned(),
    ];
    let replies = [
        format!(r#"{{"user_id":"{uuid}","bundles":["AAAA"]}}"#),
        format!(r#"{{"file_id":"{uuid}","expires_at":1,"received_bytes":1,"received_parts":1}}"#),
        file.clone(),
        format!(r#"{{"files":[{file}],"next":"n"}}"#),
        r#"{"status":"ok","timestamp":1,"s3_available":true,"email_available":false}"#.to_owned(),
        r#"{"people":[{"address":"a@b.example","bundle":"AAAA"}]}"#.to_owned(),
        format!(r#"{{"n":0,"len":5,"node":"{node}"}}"#),
        r#"{"seq":1}"#.to_owned(),
        format!(
            r#"{{"access_token":"a","refresh_token":"r","user_id":"{uuid}","expires_in":1,"refresh_expires_at":1,"server_time":1}}"#
        ),
        r#"{"ticket":"t","expires_at":1}"#.to_owned(),
        format!(r#"{{"uploads":[{upload}]}}"#),
        upload,
        format!(
            r#"{{"user_id":"{uuid}","created":1,"has_bundle":true,"used_bytes":1,"quota_bytes":2,"server_time":3,"new":[]}}"#
        ),
    ];
    for (target, texts) in [("requests", &requests[..]), ("replies", &replies)] {
        for (n, text) in texts.iter().enumerate() {
            let choice = u8::try_from(n)?;
            seeds.write(target, &format!("kind_{n}"), &[&[choice], text.as_bytes()].concat())?;
            let cut = &text.as_bytes()[..text.len() - 1];
            seeds.write(target, &format!("kind_{n}_cut"), &[&[choice], cut].concat())?;
            let more = text.replacen('{', r#"{"unknown":1,"#, 1).replace(",}", "}");
            seeds.write(target, &format!("kind_{n}_unknown"), &[&[choice], more.as_bytes()].concat())?;
        }
    }
    let problem = r#"{"type":"https://waxwing.example/problems/not_found","title":"Nothing here for you","status":404,"code":"not_found","detail":"d","request_id":"r","retry_after":5}"#;
    seeds.write("problem", "known", problem.as_bytes())?;
    seeds.write("problem", "unknown_code", problem.replace("\"not_found\"", "\"newer\"").as_bytes())
}
