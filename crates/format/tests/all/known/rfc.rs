//! The answers that the standards print, for the primitives as this crate calls them.

use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;

use format::phrase::RecoveryPhrase;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, Serializable};

use super::{array, bytes, rows, table, unhex};

struct Len(usize);

impl KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

/// RFC 5869, appendices A.1 to A.3.
#[test]
fn hkdf_of_rfc_5869() {
    let counted = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    for (ikm, salt, info, okm) in [
        (
            vec![0x0b; 22],
            counted(0, 0x0c),
            counted(0xf0, 0xf9),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            counted(0, 0x4f),
            counted(0x60, 0xaf),
            counted(0xb0, 0xff),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![0x0b; 22],
            vec![],
            vec![],
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ] {
        let expected = unhex(okm);
        let mut out = vec![0; expected.len()];
        let prk = Salt::new(HKDF_SHA256, &salt).extract(&ikm);
        prk.expand(&[&info], Len(out.len())).unwrap().fill(&mut out).unwrap();
        assert_eq!(out, expected);
    }
}

/// RFC 4231, sections 4.2, 4.3, 4.4 and 4.7.
#[test]
fn hmac_of_rfc_4231() {
    for (key, data, sha256, sha384) in [
        (
            vec![0x0b; 20],
            b"Hi There".to_vec(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            vec![0xaa; 20],
            vec![0xdd; 50],
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
        ),
        (
            vec![0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
        ),
    ] {
        for (algorithm, expected) in [(hmac::HMAC_SHA256, sha256), (hmac::HMAC_SHA384, sha384)] {
            let key = hmac::Key::new(algorithm, &key);
            assert_eq!(hmac::sign(&key, &data).as_ref(), unhex(expected));
            assert!(hmac::verify(&key, &data, &unhex(expected)).is_ok());
        }
    }
}

/// RFC 9106, section 5.3.
#[test]
fn argon2id_of_rfc_9106() {
    let params = ParamsBuilder::new()
        .m_cost(32)
        .t_cost(3)
        .p_cost(4)
        .output_len(32)
        .data(AssociatedData::new(&[4; 12]).unwrap())
        .build()
        .unwrap();
    let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
    let mut tag = [0; 32];
    argon2.hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
    let expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
    assert_eq!(tag.as_slice(), unhex(expected));
}

/// The vectors of BIP 39 for 32 bytes of entropy: the words fit together, and those with another last
/// word do not. That they stand for the right bytes is shown by the vaults of `python.rs`.
#[test]
fn phrases_of_bip_39() {
    for (start, last) in [
        ("abandon ".repeat(23), "art"),
        ("legal winner thank year wave sausage worth useful ".repeat(3), "title"),
        ("letter advice cage absurd amount doctor acoustic avoid ".repeat(3), "bless"),
        ("zoo ".repeat(23), "vote"),
    ] {
        let words: Vec<&str> = start.split_whitespace().take(23).chain([last]).collect();
        let phrase = RecoveryPhrase::parse(words.join(" ")).unwrap();
        assert_eq!(phrase.words().as_slice(), words);
        let wrong = [&words[..23], &["zebra"]].concat().join(" ");
        assert!(RecoveryPhrase::parse(wrong).is_err());
    }
}

/// draft-connolly-cfrg-xwing-kem, appendix C: the seed is the private key, its public key and what
/// is decapsulated are those printed there.
#[test]
fn xwing_of_the_draft() {
    let vectors = table("xwing.json");
    for row in rows(&vectors) {
        let private = <XWing as Kem>::PrivateKey::from_bytes(&array::<32>(row, "sk")).unwrap();
        assert_eq!(XWing::sk_to_pk(&private).to_bytes().as_slice(), bytes(row, "pk"));
        let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(&bytes(row, "ct")).unwrap();
        let shared = XWing::decap(&private, None, &encapsulated).unwrap();
        assert_eq!(shared.0.as_slice(), bytes(row, "ss"));
    }
}
