//! RSA keys, phrases and signatures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use format::phrase::RecoveryPhrase;
use format::rsa::{RsaBits, RsaPrivateKey};
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::Encode;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::pkcs5::scrypt;

use crate::{Outcome, Seeds};

/// RSA keys in every dress, and phrases.
pub(crate) fn keys(seeds: &Seeds) -> Outcome {
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

pub(crate) fn signatures(seeds: &Seeds) -> Outcome {
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
