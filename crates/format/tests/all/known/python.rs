//! What an independent implementation of the format computes and seals: `spec/known/`.

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use envelope::ed25519::PublicKey;
use envelope::merkle::{self, Node};
use envelope::segment::BodyShape;
use envelope::{FileId, Grant, Manifest, RootId, Suite};
use format::metadata::{Compression, Padding};
use format::open::{OpenFile, Reader, Sharing, open_file};
use format::pad::{padme, strip};
use format::payload::{PLAIN_AT, ResealError, SegmentRecord};
use format::phrase::RecoveryPhrase;
use format::safety::safety_number;
use format::small::open_small;
use format::vault::{VaultSecret, open_vault, open_vault_with_key};
use format::{FileKey, OpenError, Passphrase, PayloadSealer, Position, Secret, VaultKey};

use super::{answers, array, bytes, number, rows, unhex};
use crate::fixtures::text;

/// The formula of the PURBs paper on Python's integers.
#[test]
fn padded_lengths() {
    let answers = answers();
    let table = rows(&answers["padme"]);
    assert!(table.len() > 500);
    for row in table {
        let (stored, padded) = (row[0].as_u64().unwrap(), row[1].as_u64().unwrap());
        assert_eq!(padme(stored), padded, "{stored}");
    }
}

#[test]
fn safety_numbers() {
    for row in rows(&answers()["safety"]) {
        let (one, other) = (RootId::from_bytes(array(row, "one")), RootId::from_bytes(array(row, "other")));
        assert_eq!(safety_number(&one, &other).to_string(), row["digits"].as_str().unwrap());
    }
}

#[test]
fn keys_of_passphrases() {
    for row in rows(&answers()["argon2"]) {
        let (salt, stretched) = (bytes(row, "salt"), bytes(row, "argon2id"));
        let mut out = [0; 32];
        let params = argon2::Params::new(64 * 1024, 3, 1, Some(32)).unwrap();
        argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
            .hash_password_into(row["passphrase"].as_str().unwrap().as_bytes(), &salt, &mut out)
            .unwrap();
        assert_eq!(out.as_slice(), stretched);
        let prk = Salt::new(HKDF_SHA256, &salt).extract(&stretched);
        let mut key = [0; 32];
        prk.expand(&[b"waxwing/v1/vault/passphrase"], HKDF_SHA256).unwrap().fill(&mut key).unwrap();
        assert_eq!(key.as_slice(), bytes(row, "key"));
    }
}

#[test]
fn small_messages_open() {
    for row in rows(&answers()["small"]) {
        let (key, aad, sealed) =
            (Secret::from_bytes(array(row, "key")), bytes(row, "aad"), bytes(row, "sealed"));
        let plain = open_small(&key, &aad, &sealed).unwrap();
        assert_eq!(*plain, text(usize::try_from(number(row, "plain_len")).unwrap()));
    }
}

/// The same header, nonce and plaintext give the same segment, at every rotation of data keys.
#[test]
fn segments_are_the_same_bytes() {
    let answers = answers();
    let payload = &answers["payload"];
    let fk = FileKey::from_secret(Secret::from_bytes(array(payload, "fk")));
    let file_id = FileId::from_bytes(array(payload, "file_id"));
    let author = RootId::from_bytes(array(payload, "author"));
    let header = array(payload, "header");
    let sealer = PayloadSealer::resume(&fk, Suite::Signed, file_id, author, &header).unwrap();
    assert!(PayloadSealer::resume(&fk, Suite::Anonymous, file_id, author, &header).is_err());
    for row in rows(&payload["segments"]) {
        let len = usize::try_from(number(row, "plain_len")).unwrap();
        let index = number(row, "index");
        let position = if row["last"].as_bool().unwrap() { Position::Final } else { Position::Inner };
        let leaf: [u8; 32] = array(row, "leaf");
        let mut record = [0; SegmentRecord::LEN];
        record[..12].copy_from_slice(&bytes(row, "nonce"));
        record[12..].copy_from_slice(&leaf);
        let mut segment = vec![0; len + 32];
        segment[PLAIN_AT..PLAIN_AT + len].copy_from_slice(&text(len));
        let record = SegmentRecord::from_bytes(&record);
        // Sealing again succeeds only if the segment has the leaf that Python computed.
        sealer.reseal_in_place(index, position, &mut segment, &record).unwrap();
        assert_eq!(merkle::leaf(&segment), Node::from_bytes(leaf));
        if len > 1 {
            let mut other = vec![0; len + 32];
            let changed = sealer.reseal_in_place(index, position, &mut other, &record);
            assert_eq!(changed, Err(ResealError::SourceChanged));
        }
    }
}

/// Whole files: HPKE with X-Wing, HMAC, signatures, metadata, segments and vaults that another
/// implementation made.
#[test]
fn files_and_vaults_open() {
    for row in rows(&answers()["files"]) {
        let name = row["name"].as_str().unwrap();
        let vault = bytes(row, "vault");
        let passphrase = Passphrase::parse(row["passphrase"].as_str().unwrap().to_owned()).unwrap();
        let unlocked = open_vault(&vault, VaultSecret::Passphrase(&passphrase)).unwrap();
        assert_eq!(unlocked.vault_key, VaultKey::from_secret(Secret::from_bytes(array(row, "vault_key"))));
        assert_eq!((unlocked.version, unlocked.identity.pins_version()), (7, 5));
        assert!(open_vault_with_key(&vault, &unlocked.vault_key).is_ok());
        let phrase = RecoveryPhrase::parse(row["phrase"].as_str().unwrap().to_owned()).unwrap();
        let by_phrase = open_vault(&vault, VaultSecret::Phrase(&phrase)).unwrap();
        assert_eq!(by_phrase.vault_key, unlocked.vault_key);
        let identity = unlocked.identity;
        assert_eq!(identity.xwing_public().as_slice(), bytes(row, "xwing_public"), "{name}");

        let manifest = Manifest::parse(bytes(row, "manifest")).unwrap();
        let grant = Grant::parse(bytes(row, "grant")).unwrap();
        let author = row["author"].as_str().map(|key| PublicKey::from_bytes(unhex(key).try_into().unwrap()));
        let open = OpenFile {
            manifest: &manifest,
            grant: &grant,
            reader: Reader::Identity(&identity),
            author: author.as_ref(),
            grantor: None,
            linked: &[],
        };
        let file = open_file(&open).unwrap();
        assert_eq!(file.fk, FileKey::from_secret(Secret::from_bytes(array(row, "fk"))));
        let expected = author.as_ref().map_or(Sharing::Anonymous, |key| Sharing::ByAuthor(RootId::of(key)));
        assert_eq!(file.sharing, expected);

        let original = bytes(row, "original");
        let padding = if author.is_some() { Padding::None } else { Padding::Padme };
        let metadata = &file.metadata;
        assert_eq!(
            (metadata.name.as_str(), metadata.media_type.as_str()),
            ("re\u{301}port.txt", "text/plain")
        );
        assert_eq!(
            (metadata.original_size, metadata.stored_size),
            (original.len() as u64, original.len() as u64)
        );
        assert_eq!((metadata.compression, metadata.padding), (Compression::None, padding));
        assert_eq!(metadata.modified_ms, -1);
        assert_eq!(metadata.box_id.is_some(), author.is_none());
        assert_eq!(
            metadata.preview.as_ref().map(|preview| preview.bytes.len()),
            author.is_none().then_some(700)
        );

        let mut body = bytes(row, "body");
        assert_eq!(file.shape, BodyShape::from_body_len(body.len() as u64).unwrap());
        let leaf = merkle::leaf(&body);
        assert_eq!(merkle::root(&[leaf]), Some(manifest.body_root()));
        let plain = file.opener.open_in_place(0, Position::Final, &mut body).unwrap();
        assert_eq!(strip(metadata.stored_size, 0, plain), Ok(original.as_slice()));

        for at in [0, 10, 140, 1262] {
            let mut other = grant.as_bytes().to_vec();
            other[at + 5] ^= 1;
            let Ok(other) = Grant::parse(other) else { continue };
            assert_eq!(open_file(&OpenFile { grant: &other, ..open }).err(), Some(OpenError::NotAuthentic));
        }
    }
}
