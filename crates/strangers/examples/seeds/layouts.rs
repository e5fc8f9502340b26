//! Layouts in shape only, and what lies behind seals.

use envelope::grant::GrantHead;
use envelope::merkle::{self, Node};
use envelope::{Address, ContentId, FileId, RecipientId, RootId, Suite, UserId, Wrap};
use format::Secret;
use format::pins::{FileRevision, PinRecord, PinnedContact};
use format::small::seal_small;

use crate::{Outcome, Seeds};

/// Grants of the other wraps, vaults, small messages, framings and nodes, in shape only.
pub(crate) fn layouts(seeds: &Seeds) -> Outcome {
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
        let record = [
            b"WXWGPN01".as_slice(),
            &[5; 16],
            &u64::from(slots).to_be_bytes(),
            &seal_small(&key, b"", &[0; 60])?,
            &[7; 64],
        ];
        seeds.write_with_misses("pins_outside", name, &record.concat())?;
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

/// Plaintexts of seals: metadata as the format's writer makes it, bodies of vaults.
pub(crate) fn behind_seals(seeds: &Seeds) -> Outcome {
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
    let mut record = PinRecord::default();
    seeds.write_with_misses("pins_inside", "empty", &record.encode()?)?;
    for n in 1..=3_u8 {
        let contact = PinnedContact {
            user_id: UserId::from_bytes([n; 16]),
            root_id: RootId::from_bytes([n; 32]),
            seq: n.into(),
            bundle_hash: [n; 32],
            verified: n == 2,
            first_seen: 1_700_000_000,
            previous: vec![(RootId::from_bytes([9; 32]), n == 1); usize::from(n - 1)],
        };
        record.contacts.insert(Address::parse(&format!("p{n}@people.example"))?, contact);
        record.forgotten.insert(Address::parse(&format!("f{n}@people.example"))?, -i64::from(n));
        let revision = FileRevision { revision: n.into(), digest: [n; 32] };
        record.revisions.insert(FileId::from_bytes([n; 16]), revision);
        seeds.write_with_misses("pins_inside", &format!("of_{n}"), &record.encode()?)?;
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
    Ok(())
}
