//! An authenticator of the tests (WebAuthn level 2, ES256, attestation `none`) that can also say what no real one would.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use proto::B64;
use serde_json::{Value, json};

pub(crate) const PRESENT: u8 = 0x01;
pub(crate) const VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;

/// One credential in it.
pub(crate) struct Authenticator {
    key: EcdsaKeyPair,
    pub(crate) id: Vec<u8>,
    /// What it says of whose it is.
    pub(crate) handle: Vec<u8>,
}

/// What a browser and its authenticator say in a ceremony; a test changes what it lies about.
pub(crate) struct Said {
    pub(crate) kind: &'static str,
    pub(crate) challenge: String,
    pub(crate) origin: String,
    pub(crate) cross_origin: bool,
    pub(crate) rp_id: String,
    pub(crate) flags: u8,
    pub(crate) counter: u32,
}

impl Said {
    fn honest(kind: &'static str, options: &Value, rp_id: &str, origin: &str) -> Self {
        let challenge = options["publicKey"]["challenge"].as_str().unwrap().to_owned();
        Self {
            kind,
            challenge,
            origin: origin.to_owned(),
            cross_origin: false,
            rp_id: rp_id.to_owned(),
            flags: PRESENT | VERIFIED,
            counter: 0,
        }
    }

    fn client_data(&self) -> Vec<u8> {
        let said = json!({
            "type": self.kind,
            "challenge": self.challenge,
            "origin": self.origin,
            "crossOrigin": self.cross_origin,
        });
        said.to_string().into_bytes()
    }

    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let mut data = digest(&SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend_from_slice(&self.counter.to_be_bytes());
        data
    }
}

fn text(bytes: &[u8]) -> String {
    B64(bytes.to_vec()).to_text()
}

impl Authenticator {
    /// Makes a credential as the options of a registration ask; the JSON that a page would send.
    pub(crate) fn create(options: &Value, origin: &str, lie: impl FnOnce(&mut Said)) -> (Self, Value) {
        let handle = options["publicKey"]["user"]["id"].as_str().unwrap();
        let made = Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            id: super::sealed::random(32),
            handle: B64::parse(handle).unwrap().0,
        };
        let sent = made.attest(options, origin, lie);
        (made, sent)
    }

    /// Says that it made its credential for these options.
    pub(crate) fn attest(&self, options: &Value, origin: &str, lie: impl FnOnce(&mut Said)) -> Value {
        let rp_id = options["publicKey"]["rp"]["id"].as_str().unwrap();
        let mut said = Said::honest("webauthn.create", options, rp_id, origin);
        lie(&mut said);
        let mut data = said.authenticator_data(said.flags | ATTESTED);
        data.extend_from_slice(&[0; 16]);
        data.extend_from_slice(&u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend_from_slice(&self.id);
        data.extend_from_slice(&self.cose_key());
        // {"fmt": "none", "attStmt": {}, "authData": data} in CBOR.
        let mut object = vec![0xa3];
        object.extend_from_slice(b"\x63fmt\x64none\x67attStmt\xa0\x68authData\x59");
        object.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        object.extend_from_slice(&data);
        json!({
            "id": text(&self.id),
            "rawId": text(&self.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": { "credProps": { "rk": true } },
            "response": {
                "clientDataJSON": text(&said.client_data()),
                "attestationObject": text(&object),
                "transports": ["internal"],
            },
        })
    }

    /// Signs as the options of a sign-in ask; the JSON that a page would send.
    pub(crate) fn sign(&self, options: &Value, origin: &str, lie: impl FnOnce(&mut Said)) -> Value {
        let rp_id = options["publicKey"]["rpId"].as_str().unwrap();
        let mut said = Said::honest("webauthn.get", options, rp_id, origin);
        lie(&mut said);
        let (data, client) = (said.authenticator_data(said.flags), said.client_data());
        let signed = [data.as_slice(), digest(&SHA256, &client).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": text(&self.id),
            "rawId": text(&self.id),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": text(&client),
                "authenticatorData": text(&data),
                "signature": text(signature.as_ref()),
                "userHandle": text(&self.handle),
            },
        })
    }

    /// `{1: 2, 3: -7, -1: 1, -2: x, -3: y}`: a key of P-256 for ES256, RFC 9053.
    fn cose_key(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32], x, &[0x22, 0x58, 32], y].concat()
    }
}
