//! Whole files, containers and bundles.

use envelope::bundle::{BundleBody, BundleKey, KeyAlgorithm, KeyUsage};
use envelope::ed25519::PublicKey;
use envelope::{Bundle, UserId};
use format::Identity;
use format::RootKeyPair;
use format::grant::{RecipientKey, SealGrant, seal_grant};
use format::identity::BundleParams;
use format::metadata::Preview;
use strangers::{SmallFile, real_containers};

use crate::{Outcome, Seeds};

/// Manifests and grants of both suites, and edits of them.
pub(crate) fn files(seeds: &Seeds) -> Outcome {
    let (root, reader) = (RootKeyPair::generate(), Identity::generate());
    let recipient = RecipientKey::xwing(Some(reader.root_id()), reader.xwing_public())?;
    for (name, author) in [("signed", Some(&root)), ("anonymous", None)] {
        let preview = author.map(|_| Preview { media_type: "image/png".to_owned(), bytes: vec![1; 600] });
        let SmallFile { fk, manifest, .. } = SmallFile::seal(author, &[7; 1000], preview);
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

pub(crate) fn bundles(seeds: &Seeds) -> Outcome {
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
