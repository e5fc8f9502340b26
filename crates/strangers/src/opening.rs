//! Whole files, altered: what is not exactly what was sealed does not open.

use std::sync::LazyLock;

use envelope::bundle::XWING_PUBLIC_LEN;
use envelope::{Grant, Manifest};
use format::grant::{RecipientKey, SealGrant, seal_grant};
use format::open::{OpenFile, Reader, open_file};
use format::rsa::{RsaBits, RsaPrivateKey};
use format::{FileKey, Identity, RootKeyPair, Secret};

use crate::file::SmallFile;
use crate::input::Input;

/// A file of eleven bytes and the grant of it for one person.
pub(crate) struct Sealed {
    pub(crate) fk: FileKey,
    pub(crate) author: Option<RootKeyPair>,
    pub(crate) reader: Identity,
    pub(crate) manifest: Manifest,
    pub(crate) grant: Grant,
}

impl Sealed {
    pub(crate) fn new(is_signed: bool) -> Self {
        let author = is_signed.then(|| RootKeyPair::from_seed(Secret::from_bytes([21; 32])));
        let SmallFile { fk, manifest, .. } = SmallFile::seal(author.as_ref(), b"eleven byte", None);
        let reader = Identity::generate();
        let recipient =
            RecipientKey::xwing(Some(reader.root_id()), reader.xwing_public()).expect("a fresh key");
        let seal = SealGrant {
            fk: &fk,
            manifest: &manifest,
            grantor: author.as_ref(),
            min_revision: 1,
            not_after: 0,
        };
        let grant = seal_grant(&seal, &recipient).expect("it is sound");
        Self { fk, author, reader, manifest, grant }
    }

    fn opens(&self, manifest: &Manifest, grant: &Grant) -> bool {
        let open = OpenFile {
            manifest,
            grant,
            reader: Reader::Identity(&self.reader),
            author: self.author.as_ref().map(RootKeyPair::public),
            grantor: None,
            linked: &[],
        };
        open_file(&open).is_ok()
    }
}

static FILES: LazyLock<[Sealed; 2]> = LazyLock::new(|| [Sealed::new(true), Sealed::new(false)]);

/// Flags 1, then edits of five bytes: where 2, kind 1, value 2. Manifest and grant, edited in any
/// way, open only if they are what they were.
pub fn altered_file(data: &[u8]) {
    let mut input = Input::new(data);
    let sealed = &FILES[usize::from(input.u8() & 1)];
    let (mut manifest, mut grant) = (sealed.manifest.as_bytes().to_vec(), sealed.grant.as_bytes().to_vec());
    while !input.is_empty() {
        let (at, kind, value) = (usize::from(input.u16()), input.u8(), input.array::<2>());
        let bytes = if kind & 1 == 0 { &mut manifest } else { &mut grant };
        edit(bytes, at, kind >> 1, value);
    }
    let is_same = manifest == sealed.manifest.as_bytes() && grant == sealed.grant.as_bytes();
    let opens = match (Manifest::parse(manifest), Grant::parse(grant)) {
        (Ok(manifest), Ok(grant)) => sealed.opens(&manifest, &grant),
        _ => false,
    };
    assert_eq!(opens, is_same);
}

pub(crate) fn edit(bytes: &mut Vec<u8>, at: usize, kind: u8, value: [u8; 2]) {
    let Some(at) = at.checked_rem(bytes.len()) else { return };
    match kind % 6 {
        0 => bytes[at] = value[0],
        1 => bytes[at] ^= 1 << (value[0] % 8),
        2 => bytes[at] = bytes[at].wrapping_add(value[0]),
        3 => bytes.insert(at, value[0]),
        4 => drop(bytes.remove(at)),
        _ => {
            let other = usize::from(u16::from_be_bytes(value)) % bytes.len();
            bytes.swap(at, other);
        }
    }
}

/// An encapsulated key of 1120 bytes and a wrapped key of 48, from anybody, in a grant that fits
/// everything else: it does not open, and nothing panics.
pub fn encapsulated_key(data: &[u8]) {
    let sealed = &FILES[1];
    let mut input = Input::new(data);
    let (encapsulated, wrapped): ([u8; 1120], [u8; 48]) = (input.array(), input.array());
    let bytes = sealed.grant.head().encode(&encapsulated, &wrapped).expect("legal lengths");
    let grant = Grant::parse(bytes).expect("a legal layout");
    assert!(!sealed.opens(&sealed.manifest, &grant));
}

/// A wrapped key of 256 bytes, from anybody, in a grant for an RSA key that fits everything else: it
/// does not open, and nothing panics.
pub fn wrapped_for_rsa(data: &[u8]) {
    let (key, grant) = &*FOR_RSA;
    let file = &FILES[1];
    let opens = |grant: &Grant| {
        let reader = Reader::Rsa(key);
        let open =
            OpenFile { manifest: &file.manifest, grant, reader, author: None, grantor: None, linked: &[] };
        open_file(&open).is_ok()
    };
    let wrapped: [u8; 256] = Input::new(data).array();
    let bytes = grant.head().encode(&[], &wrapped).expect("legal lengths");
    assert!(!opens(&Grant::parse(bytes).expect("a legal layout")));
    // One bit of the true one, at a place that the bytes choose.
    let mut near = grant.as_bytes().to_vec();
    let bit = usize::from(u16::from_be_bytes([wrapped[0], wrapped[1]])) % (8 * 256);
    let at = near.len() - 256 + bit / 8;
    near[at] ^= 1 << (bit % 8);
    assert!(!opens(&Grant::parse(near).expect("a legal layout")));
    assert!(opens(grant));
}

/// An RSA key and the grant of the anonymous file for it.
static FOR_RSA: LazyLock<(RsaPrivateKey, Grant)> = LazyLock::new(|| {
    let (key, file) = (RsaPrivateKey::generate(RsaBits::B2048), &FILES[1]);
    let seal =
        SealGrant { fk: &file.fk, manifest: &file.manifest, grantor: None, min_revision: 1, not_after: 0 };
    let grant = seal_grant(&seal, &RecipientKey::rsa(None, key.public())).expect("it is sound");
    (key, grant)
});

/// A recipient's public key: only whole keys with canonical coefficients are taken, and what is
/// taken can be sealed to.
pub fn recipient_key(data: &[u8]) {
    let sealed = &FILES[1];
    let recipient = RecipientKey::xwing(None, data);
    let is_key = data.len() == XWING_PUBLIC_LEN && data[..1152].chunks_exact(3).all(are_coefficients);
    if is_key {
        assert!(recipient.is_ok() || data[1184..].iter().all(|byte| *byte == 0));
    }
    let Ok(recipient) = recipient else { return };
    assert!(is_key, "a key with a second spelling was taken");
    let seal = SealGrant {
        fk: &sealed.fk,
        manifest: &sealed.manifest,
        grantor: None,
        min_revision: 1,
        not_after: 0,
    };
    if let Ok(grant) = seal_grant(&seal, &recipient) {
        assert_eq!(grant.recipient_id(), recipient.id());
        assert!(!sealed.opens(&sealed.manifest, &grant), "it is for somebody else");
    }
}

/// Two numbers of twelve bits below 3329 (FIPS 203 section 7.2).
fn are_coefficients(three: &[u8]) -> bool {
    let (a, b, c) = (u16::from(three[0]), u16::from(three[1]), u16::from(three[2]));
    (a | (b & 15) << 8) < 3329 && (b >> 4 | c << 4) < 3329
}
