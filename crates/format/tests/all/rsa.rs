//! RSA: keys of three sizes and one exponent, files sealed to them, and key files that openssl shares.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use envelope::grant::{GrantHead, recipient_id};
use envelope::{Grant, UserId, Wrap};
use format::grant::{RecipientKey, SealGrant, seal_grants};
use format::open::{OpenFile, Reader, Sharing, open_file};
use format::vault::{open_vault_with_key, reseal_vault, seal_vault};
use format::{
    Identity, OpenError, OpenedFile, Passphrase, RsaBits, RsaKeyError, RsaPrivateKey, RsaPublicKey, VaultKey,
    VaultSecret,
};
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::Encode;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::pkcs5::pbes2::{EncryptionScheme, Kdf, Parameters, Pbkdf2Params, Pbkdf2Prf, ScryptParams};
use tempfile::TempDir;

use crate::fixtures::{Forger, Sealed, recipient};

const WORDS: &str = "seven cedar waxwings on a wire";

static KEY: LazyLock<RsaPrivateKey> = LazyLock::new(|| RsaPrivateKey::generate(RsaBits::B2048));
static OTHER: LazyLock<RsaPrivateKey> = LazyLock::new(|| RsaPrivateKey::generate(RsaBits::B2048));
static LONGER: LazyLock<RsaPrivateKey> = LazyLock::new(|| RsaPrivateKey::generate(RsaBits::B3072));

fn words() -> Passphrase {
    Passphrase::parse(WORDS.to_owned()).unwrap()
}

fn bare(key: &RsaPrivateKey) -> RecipientKey {
    RecipientKey::rsa(None, key.public())
}

fn copy(key: &RsaPrivateKey) -> RsaPrivateKey {
    RsaPrivateKey::from_pkcs8(key.pkcs8()).unwrap()
}

/// Alice sealed a file.
struct World {
    alice: Forger,
    file: Sealed,
}

impl World {
    fn new() -> Self {
        let alice = Forger::new(1);
        let file = Sealed::by(Some(&alice.root));
        Self { alice, file }
    }

    fn grant(&self, recipient: &RecipientKey) -> Grant {
        self.file.grant(Some(&self.alice.root), recipient)
    }

    fn open(&self, grant: &Grant, reader: Reader<'_>) -> Result<OpenedFile, OpenError> {
        let author = Some(self.alice.root.public());
        open_file(&OpenFile {
            manifest: &self.file.manifest,
            grant,
            reader,
            author,
            grantor: None,
            linked: &[],
        })
    }

    fn with_key(&self, grant: &Grant, key: &RsaPrivateKey) -> Result<OpenedFile, OpenError> {
        self.open(grant, Reader::Rsa(key))
    }

    /// A grant with any head and any wrapped key, rightly signed by Alice.
    fn forge(&self, head: &GrantHead, wrapped: &[u8]) -> Grant {
        let mut bytes = head.encode(&[], wrapped).unwrap();
        let signature = self.alice.sign(&[b"waxwing/v1/grant\0", &bytes]);
        bytes.extend_from_slice(&signature);
        Grant::parse(bytes).unwrap()
    }
}

#[track_caller]
fn refused(result: Result<OpenedFile, OpenError>) {
    assert_eq!(result.map(drop), Err(OpenError::NotAuthentic));
}

/// The one test that makes a key of 4096 bits.
#[test]
fn a_file_goes_to_a_key_of_each_size_and_back() {
    let world = World::new();
    let longest = RsaPrivateKey::generate(RsaBits::B4096);
    for (key, bits, wrapped, spki) in [
        (&*KEY, RsaBits::B2048, 256, 294),
        (&*LONGER, RsaBits::B3072, 384, 422),
        (&longest, RsaBits::B4096, 512, 550),
    ] {
        assert_eq!((key.public().bits(), key.public().spki().len()), (bits, spki));
        let grant = world.grant(&bare(key));
        assert_eq!((grant.wrap(), grant.encapsulated_key().len()), (Wrap::RsaOaep, 0));
        assert_eq!(grant.wrapped_key().len(), wrapped);
        assert_eq!(grant.recipient_id(), recipient_id(Wrap::RsaOaep, None, key.public().spki()));
        let opened = world.with_key(&grant, key).unwrap();
        assert_eq!(opened.fk, world.file.fk);
        assert_eq!(opened.sharing, Sharing::ByAuthor(world.alice.id()));
    }
}

#[test]
fn people_and_bare_keys_are_served_in_one_go_and_in_order() {
    let world = World::new();
    let bob = Identity::generate();
    let seal = SealGrant {
        fk: &world.file.fk,
        manifest: &world.file.manifest,
        grantor: Some(&world.alice.root),
        min_revision: 1,
        not_after: 0,
    };
    let grants = seal_grants(&seal, &[bare(&KEY), recipient(&bob), bare(&LONGER)]).unwrap();
    assert!(world.with_key(&grants[0], &KEY).is_ok());
    assert!(world.open(&grants[1], Reader::Identity(&bob)).is_ok());
    assert!(world.with_key(&grants[2], &LONGER).is_ok());
}

/// Another label, another key, another size, another file and a damaged wrap are one and the same to who asks.
#[test]
fn whatever_is_wrong_with_a_wrap_looks_the_same() {
    let world = World::new();
    let grant = world.grant(&bare(&KEY));
    let head = grant.head().clone();
    // The honest twin: the forger's means make a grant that opens.
    assert!(world.with_key(&world.forge(&head, grant.wrapped_key()), &KEY).is_ok());
    // The wrap of a head that allowed every revision, under a head that does not.
    let other_label = GrantHead { not_after: 5, ..grant.head().clone() };
    refused(world.with_key(&world.forge(&other_label, grant.wrapped_key()), &KEY));
    // A wrap for somebody else's key under the id of ours, of the same size and of another.
    for other in [&*OTHER, &*LONGER] {
        refused(world.with_key(&world.forge(&head, world.grant(&bare(other)).wrapped_key()), &KEY));
        refused(world.with_key(&grant, other));
    }
    let mut damaged = grant.wrapped_key().to_vec();
    damaged[100] ^= 1;
    refused(world.with_key(&world.forge(&head, &damaged), &KEY));
    refused(world.with_key(&world.forge(&head, &[0; 256]), &KEY));
    refused(world.with_key(&world.forge(&head, &[0xff; 256]), &KEY));
    // A grant of another file of the same author.
    let elsewhere = World::new();
    refused(world.with_key(&elsewhere.grant(&bare(&KEY)), &KEY));
    // A grant that Mallory signed.
    refused(world.with_key(&world.file.grant(Some(&Forger::new(9).root), &bare(&KEY)), &KEY));
}

#[test]
fn a_person_opens_with_the_keys_of_their_vault() {
    let world = World::new();
    let mut bob = Identity::generate();
    let grant = world.grant(&bare(&KEY));
    let for_person = world.grant(&RecipientKey::rsa(Some(bob.root_id()), KEY.public()));
    let result = world.open(&grant, Reader::Identity(&bob));
    assert_eq!(result.map(drop), Err(OpenError::NotForThisIdentity));
    assert!(bob.add_rsa(copy(&KEY)));
    assert!(!bob.add_rsa(copy(&KEY)), "it is there already");
    assert!(world.open(&grant, Reader::Identity(&bob)).is_ok());
    assert!(world.open(&for_person, Reader::Identity(&bob)).is_ok());
    // The same key without the person is another recipient.
    refused(world.with_key(&for_person, &KEY));
    // And the person is another recipient than somebody else with the same key.
    let mut carol = Identity::generate();
    carol.add_rsa(copy(&KEY));
    let result = world.open(&for_person, Reader::Identity(&carol));
    assert_eq!(result.map(drop), Err(OpenError::NotForThisIdentity));
}

#[test]
fn a_vault_keeps_rsa_keys_and_a_vault_with_a_broken_one_is_refused() {
    let user = UserId::from_bytes([1; 16]);
    let (vault_key, mut bob) = (VaultKey::generate(), Identity::generate());
    bob.add_rsa(copy(&KEY));
    let first = seal_vault(&bob, &vault_key, &[VaultSecret::Passphrase(&words())], user, 1).unwrap();
    let mut unlocked = open_vault_with_key(&first, &vault_key).unwrap();
    unlocked.identity.add_rsa(copy(&LONGER));
    let second = reseal_vault(&first, &unlocked, 2).unwrap();
    let opened = open_vault_with_key(&second, &vault_key).unwrap();
    let kept: Vec<_> = opened.identity.rsa_keys().map(|key| key.public().clone()).collect();
    assert_eq!(kept, [LONGER.public().clone(), KEY.public().clone()]);
    // What is put in is what is written: a key that does not parse can only come from elsewhere.
    assert_eq!(RsaPrivateKey::from_pkcs8(&KEY.pkcs8()[1..]).map(drop), Err(RsaKeyError::Key));
}

#[test]
fn pkcs8_with_a_byte_behind_or_of_another_version_is_refused() {
    let longer = [KEY.pkcs8(), &[0]].concat();
    assert_eq!(RsaPrivateKey::from_pkcs8(&longer).map(drop), Err(RsaKeyError::Key));
    let mut later = KEY.pkcs8().to_vec();
    assert_eq!(later[4..7], [2, 1, 0], "the version");
    later[6] = 1;
    assert_eq!(RsaPrivateKey::from_pkcs8(&later).map(drop), Err(RsaKeyError::Key));
}

/// DER of a SubjectPublicKeyInfo over any odd modulus of that many bits.
fn spki(bits: usize, exponent: &[u8]) -> Vec<u8> {
    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let len = content.len();
        let mut out = vec![tag];
        match len {
            0..128 => out.push(u8::try_from(len).unwrap()),
            128..256 => out.extend([0x81, u8::try_from(len).unwrap()]),
            _ => out.extend([&[0x82][..], &u16::try_from(len).unwrap().to_be_bytes()].concat()),
        }
        out.extend_from_slice(content);
        out
    }
    let mut modulus = vec![0xa5; bits.div_ceil(8)];
    modulus[0] = 0x80 >> ((8 - bits % 8) % 8);
    if modulus[0] & 0x80 != 0 {
        modulus.insert(0, 0);
    }
    let key = der(0x30, &[der(2, &modulus), der(2, exponent)].concat());
    let algorithm = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    der(0x30, &[algorithm.as_slice(), &der(3, &[&[0], &*key].concat())].concat())
}

#[test]
fn public_keys_of_any_other_size_or_exponent_are_refused() {
    let f4: &[u8] = &[1, 0, 1];
    for bits in [2048, 3072, 4096] {
        assert!(RsaPublicKey::from_spki(&spki(bits, f4)).is_ok(), "{bits} bits are legal");
    }
    for bits in [512, 1024, 2040, 2047, 2049, 2056, 3071, 4095, 4104, 8192] {
        assert_eq!(RsaPublicKey::from_spki(&spki(bits, f4)), Err(RsaKeyError::Key), "{bits} bits");
    }
    for exponent in [&[3][..], &[17], &[1, 0, 3], &[1, 0, 0, 0, 1], &[1], &[1, 0, 0], &[0, 1, 0, 1]] {
        assert_eq!(RsaPublicKey::from_spki(&spki(2048, exponent)), Err(RsaKeyError::Key), "{exponent:?}");
    }
}

#[test]
fn a_public_key_has_one_spelling() {
    let honest = KEY.public().spki();
    let refused = |der: &[u8]| assert_eq!(RsaPublicKey::from_spki(der), Err(RsaKeyError::Key));
    refused(&[honest, &[0]].concat());
    refused(&honest[..293]);
    refused(&honest[24..]);
    // Without the NULL parameters, and with a length in more bytes than it needs.
    let without_null = [&b"\x30\x82\x01\x20\x30\x0b"[..], &honest[6..17], &honest[19..]].concat();
    refused(&without_null);
    refused(&[&b"\x30\x83\x00\x01\x22"[..], &honest[4..]].concat());
    // The modulus with a zero more.
    let padded = [
        b"\x30\x82\x01\x23",
        &honest[4..19],
        b"\x03\x82\x01\x10\x00\x30\x82\x01\x0b\x02\x82\x01\x02\x00",
        &honest[32..],
    ]
    .concat();
    refused(&padded);
}

#[test]
fn a_key_file_of_another_kind_says_so() {
    let private = KEY.to_encrypted_pem(&words());
    let public = KEY.public().to_pem();
    assert_eq!(RsaPublicKey::from_pem(&private), Err(RsaKeyError::Kind));
    assert_eq!(RsaPrivateKey::from_pem(&public, None).map(drop), Err(RsaKeyError::Kind));
    assert_eq!(RsaPublicKey::from_pem(&public.replace("PUBLIC KEY", "CERTIFICATE")), Err(RsaKeyError::Kind));
    for broken in [
        String::new(),
        "a key".to_owned(),
        public.replace("-----END", "----END"),
        public.replace('\n', ""),
        format!("{public}{public}"),
        public.replacen("MII", "M!I", 1),
        format!("{}{public}", " ".repeat(70_000)),
    ] {
        assert_eq!(RsaPublicKey::from_pem(&broken), Err(RsaKeyError::Pem), "{broken}");
    }
    // What editors and other systems do to the end of a line or file.
    for harmless in [public.replace('\n', "\r\n"), format!("{public}\n\n"), public.trim_end().to_owned()] {
        assert_eq!(RsaPublicKey::from_pem(&harmless).as_ref(), Ok(KEY.public()));
    }
}

#[test]
fn a_key_file_opens_with_its_passphrase_only() {
    let pem = KEY.to_encrypted_pem(&words());
    let read = RsaPrivateKey::from_pem(&pem, Some(&words())).unwrap();
    assert_eq!((read.public(), read.pkcs8()), (KEY.public(), KEY.pkcs8()));
    assert_eq!(RsaPrivateKey::from_pem(&pem, None).map(drop), Err(RsaKeyError::PassphraseNeeded));
    let wrong = Passphrase::parse("seven cedar waxwings on a fire".to_owned()).unwrap();
    assert_eq!(RsaPrivateKey::from_pem(&pem, Some(&wrong)).map(drop), Err(RsaKeyError::Passphrase));
    assert_ne!(*pem, *KEY.to_encrypted_pem(&words()), "salt and vector are fresh");
}

#[test]
fn a_private_key_is_never_printed() {
    assert_eq!(format!("{:?}", *KEY), "RsaPrivateKey[redacted]");
    assert!(!format!("{:?}", Reader::Rsa(&KEY)).contains("308"));
}

/// Refused as too dear, and not as a wrong passphrase: nobody did the work to find out.
#[test]
fn a_key_file_that_asks_for_too_much_work_is_refused_before_it_is_done() {
    let pbkdf2 = |iteration_count| {
        let prf = Pbkdf2Prf::HmacWithSha256;
        Kdf::Pbkdf2(Pbkdf2Params {
            salt: (&[7; 16][..]).try_into().unwrap(),
            iteration_count,
            key_length: None,
            prf,
        })
    };
    let scrypt = |cost_parameter, block_size, parallelization| {
        let salt = (&[7; 16][..]).try_into().unwrap();
        Kdf::Scrypt(ScryptParams { salt, cost_parameter, block_size, parallelization, key_length: None })
    };
    let read = |kdf| {
        let parameters = Parameters { kdf, encryption: EncryptionScheme::Aes256Cbc { iv: [0; 16] } };
        let encrypted_data = OctetStringRef::new(&[1; 1232]).unwrap();
        let info = EncryptedPrivateKeyInfoRef { encryption_algorithm: parameters.into(), encrypted_data };
        let pem = pem_rfc7468::encode_string(
            "ENCRYPTED PRIVATE KEY",
            pem_rfc7468::LineEnding::LF,
            &info.to_der().unwrap(),
        );
        RsaPrivateKey::from_pem(&pem.unwrap(), Some(&words())).map(drop)
    };
    for dear in [
        pbkdf2(10_000_001),
        pbkdf2(u32::MAX),
        pbkdf2(0),
        scrypt(1 << 20, 8, 1),
        scrypt(1 << 62, 8, 1),
        scrypt(1 << 14, u16::MAX, 1),
        scrypt(1 << 14, 8, u16::MAX),
        scrypt(0, 8, 1),
        scrypt(1, 8, 1),
        scrypt((1 << 14) + 1, 8, 1),
        scrypt(1 << 14, 0, 1),
        scrypt(1 << 14, 8, 0),
    ] {
        assert_eq!(read(dear.clone()), Err(RsaKeyError::Cost), "{dear:?}");
    }
    assert_eq!(read(pbkdf2(1000)), Err(RsaKeyError::Passphrase), "the means of this test are honest");
    assert_eq!(read(scrypt(1 << 10, 8, 1)), Err(RsaKeyError::Passphrase));
}

/// The command `openssl`, in a folder that holds the passphrase in the file `pass`.
struct OpenSsl(TempDir);

impl OpenSsl {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pass"), WORDS).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs it with arguments in one string; panics with what it said if it fails.
    fn run(&self, arguments: &str) -> Vec<u8> {
        let output =
            Command::new("openssl").args(arguments.split(' ')).current_dir(self.path()).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), bytes).unwrap();
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }
}

#[test]
fn openssl_reads_what_we_write() {
    let openssl = OpenSsl::new();
    openssl.write("key.pem", &**KEY.to_encrypted_pem(&words()));
    openssl.write("key.pub.pem", KEY.public().to_pem());
    let public = openssl.run("pkey -in key.pem -passin file:pass -pubout");
    assert_eq!(String::from_utf8(public).unwrap(), KEY.public().to_pem());
    let der = openssl.run("pkey -pubin -in key.pub.pem -outform DER");
    assert_eq!(der, KEY.public().spki());
    openssl.run("pkey -in key.pem -passin file:pass -check -noout");
}

#[test]
fn we_read_what_openssl_writes() {
    let openssl = OpenSsl::new();
    openssl.run("genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out plain.pem");
    openssl.run("pkey -in plain.pem -aes-256-cbc -passout file:pass -out aes.pem");
    openssl.run("pkcs8 -topk8 -scrypt -in plain.pem -passout file:pass -out scrypt.pem");
    openssl.run(
        "pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA512 -in plain.pem -passout file:pass -out sha512.pem",
    );
    openssl.run("rsa -in plain.pem -traditional -out pkcs1.pem");
    openssl.run("pkey -in plain.pem -pubout -out public.pem");
    let public = RsaPublicKey::from_pem(&openssl.text("public.pem")).unwrap();
    assert_eq!(public.to_pem(), openssl.text("public.pem"));
    for (name, passphrase) in [
        ("plain.pem", None),
        ("plain.pem", Some(words())),
        ("pkcs1.pem", None),
        ("aes.pem", Some(words())),
        ("scrypt.pem", Some(words())),
        ("sha512.pem", Some(words())),
    ] {
        let key = RsaPrivateKey::from_pem(&openssl.text(name), passphrase.as_ref());
        assert_eq!(key.as_ref().map(RsaPrivateKey::public), Ok(&public), "{name}");
    }
    // Passphrases of another age: a cipher in a header, and triple DES.
    openssl.run("rsa -in plain.pem -aes256 -traditional -passout file:pass -out header.pem");
    openssl.run("pkcs8 -topk8 -v2 des3 -in plain.pem -passout file:pass -out des3.pem");
    for name in ["header.pem", "des3.pem"] {
        let result = RsaPrivateKey::from_pem(&openssl.text(name), Some(&words()));
        assert_eq!(result.map(drop), Err(RsaKeyError::Encryption), "{name}");
    }
}

#[test]
fn private_keys_of_any_other_size_exponent_or_kind_are_refused() {
    let openssl = OpenSsl::new();
    for arguments in [
        "-algorithm RSA -pkeyopt rsa_keygen_bits:1024",
        "-algorithm RSA -pkeyopt rsa_keygen_bits:2056",
        "-algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3",
        "-algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_primes:3",
        "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048",
        "-algorithm ED25519",
        "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
    ] {
        openssl.run(&format!("genpkey -quiet {arguments} -out key.pem"));
        let result = RsaPrivateKey::from_pem(&openssl.text("key.pem"), None);
        assert_eq!(result.map(drop), Err(RsaKeyError::Key), "{arguments}");
        openssl.run("pkey -in key.pem -aes-256-cbc -passout file:pass -out sealed.pem");
        let result = RsaPrivateKey::from_pem(&openssl.text("sealed.pem"), Some(&words()));
        assert_eq!(result.map(drop), Err(RsaKeyError::Key), "{arguments}, under a passphrase");
        openssl.run("pkey -in key.pem -pubout -out public.pem");
        let result = RsaPublicKey::from_pem(&openssl.text("public.pem"));
        let legal_in_public = arguments.contains("primes");
        assert_eq!(result.is_ok(), legal_in_public, "{arguments}, public");
    }
}

/// The wrap is plain OAEP: the file key comes out of openssl, and goes in there.
#[test]
fn openssl_unwraps_what_we_wrap_and_wraps_what_we_unwrap() {
    let (openssl, world) = (OpenSsl::new(), World::new());
    let grant = world.grant(&bare(&KEY));
    let label: String = grant.bound().iter().map(|byte| format!("{byte:02x}")).collect();
    let oaep = format!(
        "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256 -pkeyopt rsa_oaep_label:{label}"
    );
    openssl.write("key.pem", &**KEY.to_encrypted_pem(&words()));
    openssl.write("public.pem", KEY.public().to_pem());
    openssl.write("wrapped", grant.wrapped_key());
    let fk = openssl.run(&format!("pkeyutl -decrypt -inkey key.pem -passin file:pass -in wrapped {oaep}"));
    assert_eq!(fk, world.file.fk.secret().expose_secret());
    openssl.write("fk", &fk);
    let wrapped = openssl.run(&format!("pkeyutl -encrypt -pubin -inkey public.pem -in fk {oaep}"));
    assert!(world.with_key(&world.forge(grant.head(), &wrapped), &KEY).is_ok());
}
