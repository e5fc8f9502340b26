//! The offline container: layout, what belongs together, leaves.

use std::io::{self, Read};

use envelope::bundle::{self, BundleBody, BundleKey, KeyAlgorithm, KeyUsage};
use envelope::container::{Head, MAX_GRANTS, ReadError, read_leaves};
use envelope::grant::{self, GrantHead};
use envelope::manifest::{self, ManifestHead};
use envelope::merkle::{Node, join};
use envelope::{
    Address, BodyShape, Bundle, ContentId, FileId, Grant, Manifest, ParseError, RecipientId, RootId, Suite,
    UserId, Wrap,
};

use crate::fixtures::{Signer, floe_header, small, with};

const LEAVES: [Node; 2] = [Node::from_bytes([1; 32]), Node::from_bytes([2; 32])];

fn manifest_of(author: Option<&Signer>, blocks: usize) -> Manifest {
    let head = ManifestHead {
        suite: author.map_or(Suite::Anonymous, |_| Suite::Signed),
        file_id: FileId::from_bytes([1; 16]),
        revision: 1,
        author_root_id: author.map_or(RootId::ZERO, |author| RootId::of(&author.public())),
        payload_header: floe_header(),
        body: BodyShape::from_plain_len(300_000).unwrap(),
        body_root: join(&LEAVES[0], &LEAVES[1]),
    };
    let mut bytes = head.encode(&small(512 * blocks)).unwrap();
    bytes.extend_from_slice(&[3; 32]);
    if let Some(author) = author {
        let signature = author.sign(&[manifest::SIGNATURE_CONTEXT, &bytes]);
        bytes.extend_from_slice(signature.as_bytes());
    }
    Manifest::parse(bytes).unwrap()
}

fn bundle_of(root: &Signer, signer: &Signer) -> Bundle {
    let key = BundleKey {
        usage: KeyUsage::V1,
        algorithm: KeyAlgorithm::XWing,
        not_before: 0,
        not_after: 0,
        key: vec![8; 1216].into(),
    };
    let body = BundleBody {
        user_id: UserId::from_bytes([1; 16]),
        seq: 1,
        prev_hash: [0; 32],
        root_key: root.public(),
        prev_root: None,
        created: 1,
        min_format: 1,
        address: Address::parse("alice@wax.example").unwrap(),
        keys: vec![key],
    };
    let mut bytes = body.encode().unwrap();
    let signature = signer.sign(&[bundle::SIGNATURE_CONTEXT, &bytes]);
    bytes.extend_from_slice(signature.as_bytes());
    bytes.extend_from_slice(&[0; 64]);
    Bundle::parse(bytes).unwrap()
}

/// The head of a grant that belongs to `manifest`, for a recipient that begins with `number`.
fn grant_head(manifest: &Manifest, number: u32) -> GrantHead {
    let mut recipient = [0; 32];
    recipient[..4].copy_from_slice(&number.to_be_bytes());
    GrantHead {
        wrap: Wrap::RsaOaep,
        suite: manifest.suite(),
        file_id: manifest.file_id(),
        content_id: manifest.content_id(),
        recipient_id: RecipientId::from_bytes(recipient),
        grantor_root_id: manifest.author_root_id(),
        min_revision: 1,
        not_after: 0,
    }
}

fn grant_of(head: &GrantHead, signer: &Signer) -> Grant {
    let wrapped = if head.wrap == Wrap::Link { small(32) } else { vec![7; 256] };
    let mut bytes = head.encode(&[], &wrapped).unwrap();
    if head.suite == Suite::Signed {
        let signature = signer.sign(&[grant::SIGNATURE_CONTEXT, &bytes]);
        bytes.extend_from_slice(signature.as_bytes());
    }
    Grant::parse(bytes).unwrap()
}

/// The bytes of a head, whether its parts belong together or not.
fn laid_out(manifest: &Manifest, author: Option<&Bundle>, grants: &[Grant]) -> Vec<u8> {
    let sized = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let mut bytes = b"WXWGCT01".to_vec();
    bytes.extend(sized(manifest.as_bytes()));
    bytes.extend(sized(author.map_or(&[], |author| author.as_bytes())));
    bytes.extend(u16::try_from(grants.len()).unwrap().to_be_bytes());
    grants.iter().for_each(|grant| bytes.extend(sized(grant.as_bytes())));
    bytes
}

struct Parts {
    manifest: Manifest,
    author: Option<Bundle>,
    grants: Vec<Grant>,
}

impl Parts {
    fn made(author: Option<&Signer>) -> Self {
        let signer = Signer::new(1);
        let manifest = manifest_of(author, 1);
        let grants = [5, 6, 7].map(|number| grant_of(&grant_head(&manifest, number), &signer)).into();
        Self { manifest, author: author.map(|author| bundle_of(author, author)), grants }
    }

    fn signed() -> Self {
        Self::made(Some(&Signer::new(1)))
    }

    fn anonymous() -> Self {
        Self::made(None)
    }

    fn bytes(&self) -> Vec<u8> {
        laid_out(&self.manifest, self.author.as_ref(), &self.grants)
    }

    fn head(self) -> Result<Head, ParseError> {
        Head::new(self.manifest, self.author, self.grants)
    }
}

fn read(mut bytes: &[u8]) -> Result<Head, ReadError> {
    Head::read(&mut bytes, |_| true)
}

/// What a container is refused for, if by its shape.
fn shape(error: &ReadError) -> Option<ParseError> {
    if let ReadError::Malformed(error) = error { Some(*error) } else { None }
}

/// Refused when it is made and when it is read, for the same.
fn refused(parts: Parts, field: &'static str) {
    let expected = ParseError::Contradiction { field };
    assert_eq!(read(&parts.bytes()).err().as_ref().and_then(shape), Some(expected));
    assert_eq!(parts.head(), Err(expected));
}

#[test]
fn a_head_is_written_as_the_text_says_and_read_back() {
    for parts in [Parts::signed(), Parts::anonymous()] {
        let bytes = parts.bytes();
        let mut backwards = parts.grants.clone();
        backwards.reverse();
        let head = Head::new(parts.manifest, parts.author, backwards).unwrap();
        assert_eq!(head.grants, parts.grants, "in the order of their recipient ids");
        let mut written = Vec::new();
        head.write(&mut written).unwrap();
        assert_eq!(written, bytes);
        assert_eq!(head.encoded_len(), bytes.len() as u64);
        let followed = [&bytes[..], b"leaves"].concat();
        let mut source = &followed[..];
        assert_eq!(Head::read(&mut source, |_| true).unwrap(), head);
        assert_eq!(source, b"leaves");
    }
}

#[test]
fn only_the_wanted_grants_are_kept() {
    let parts = Parts::signed();
    let wanted = parts.grants[1].recipient_id();
    let head = Head::read(&mut &parts.bytes()[..], |grant| grant.recipient_id() == wanted).unwrap();
    assert_eq!(head.grants, parts.grants[1..2]);
}

#[test]
fn every_prefix_of_a_head_is_truncated() {
    let bytes = Parts::signed().bytes();
    for len in 0..bytes.len() {
        let refused = read(&bytes[..len]).err().as_ref().and_then(shape);
        assert!(matches!(refused, Some(ParseError::Truncated { .. })), "{len}: {refused:?}");
    }
}

#[test]
fn another_magic_is_refused() {
    let bytes = with(&Parts::signed().bytes(), 0, b"WXWGCT02");
    assert_eq!(read(&bytes).err().as_ref().and_then(shape), Some(ParseError::Magic));
}

#[test]
fn a_source_that_fails_is_no_container_that_ends() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
    let bytes = Parts::signed().bytes();
    for len in [0, 3, 8, 100, bytes.len() - 1] {
        let error = Head::read(&mut bytes[..len].chain(Failing), |_| true).unwrap_err();
        let ReadError::Io(error) = error else { panic!("{len}: {error:?}") };
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}

#[test]
fn an_author_belongs_to_signed_files_and_is_their_own() {
    let other = bundle_of(&Signer::new(2), &Signer::new(2));
    refused(Parts { author: None, ..Parts::signed() }, "author");
    refused(Parts { author: Some(other.clone()), ..Parts::signed() }, "author");
    refused(Parts { author: Some(other), ..Parts::anonymous() }, "author");
}

#[test]
fn a_grant_of_another_file_is_refused() {
    for parts in [Parts::signed, Parts::anonymous] {
        let own = grant_head(&parts().manifest, 6);
        let (foreign, other) = (RootId::of(&Signer::new(2).public()), Signer::new(2));
        let signer = Signer::new(1);
        for (head, signer) in [
            (GrantHead { file_id: FileId::from_bytes([9; 16]), ..own.clone() }, &signer),
            (GrantHead { content_id: ContentId::from_bytes([9; 32]), ..own.clone() }, &signer),
            (GrantHead { suite: Suite::Signed, grantor_root_id: foreign, ..own.clone() }, &other),
            (GrantHead { wrap: Wrap::Link, recipient_id: RecipientId::of_link(&[6; 16]), ..own }, &signer),
        ] {
            refused(Parts { grants: vec![grant_of(&head, signer)], ..parts() }, "grant");
        }
    }
    let anonymous = GrantHead {
        suite: Suite::Anonymous,
        grantor_root_id: RootId::ZERO,
        ..grant_head(&Parts::signed().manifest, 6)
    };
    refused(Parts { grants: vec![grant_of(&anonymous, &Signer::new(1))], ..Parts::signed() }, "grant");
}

#[test]
fn grants_stand_once_and_in_order() {
    let twice = || Parts { grants: vec![Parts::signed().grants[0].clone(); 2], ..Parts::signed() };
    refused(twice(), "grant");
    let mut disordered = Parts::signed();
    disordered.grants.swap(1, 2);
    let refused = read(&disordered.bytes()).err().as_ref().and_then(shape);
    assert_eq!(refused, Some(ParseError::Contradiction { field: "grant" }));
}

#[test]
fn a_container_holds_1_to_65535_grants() {
    let none = || Parts { grants: Vec::new(), ..Parts::anonymous() };
    let out_of_range = ParseError::OutOfRange { field: "grants" };
    assert_eq!(read(&none().bytes()).err().as_ref().and_then(shape), Some(out_of_range));
    assert_eq!(none().head(), Err(out_of_range));
    let (parts, signer) = (Parts::anonymous(), Signer::new(1));
    let mut grants: Vec<Grant> =
        (0..=65_535).map(|number| grant_of(&grant_head(&parts.manifest, number), &signer)).collect();
    assert_eq!(Head::new(parts.manifest.clone(), None, grants.clone()), Err(out_of_range));
    grants.pop();
    assert_eq!(grants.len(), MAX_GRANTS);
    let head = Head::new(parts.manifest, None, grants).unwrap();
    let mut bytes = Vec::new();
    head.write(&mut bytes).unwrap();
    assert_eq!(read(&bytes).unwrap(), head);
}

#[test]
fn what_the_author_did_not_sign_is_refused() {
    let (author, thief) = (Signer::new(1), Signer::new(2));
    let forged = Parts { author: Some(bundle_of(&author, &thief)), ..Parts::signed() };
    assert!(matches!(read(&forged.bytes()), Err(ReadError::Signature(_))));
    let mut forged = Parts::signed();
    forged.grants[2] = grant_of(&grant_head(&forged.manifest, 7), &thief);
    // Even if nobody wants that grant.
    let error = Head::read(&mut &forged.bytes()[..], |_| false).unwrap_err();
    assert!(matches!(error, ReadError::Signature(_)));
}

#[test]
fn the_longest_manifest_fits_and_no_longer_field_is_begun() {
    let author = Signer::new(1);
    let manifest = manifest_of(Some(&author), manifest::METADATA_BLOCKS_MAX);
    assert_eq!(manifest.as_bytes().len(), manifest::MAX_LEN);
    let grants = vec![grant_of(&grant_head(&manifest, 1), &author)];
    let bytes = laid_out(&manifest, Some(&bundle_of(&author, &author)), &grants);
    assert_eq!(read(&bytes).unwrap().manifest, manifest);
    for longer in [manifest::MAX_LEN + 1, manifest::MAX_LEN + 2, u32::MAX as usize] {
        let bytes = with(&bytes, 8, &u32::try_from(longer).unwrap().to_be_bytes());
        let refused = read(&bytes).err().as_ref().and_then(shape);
        assert_eq!(refused, Some(ParseError::OutOfRange { field: "manifest" }), "{longer}");
    }
}

#[test]
fn leaves_are_proven_under_the_root_of_the_body() {
    let manifest = manifest_of(None, 1);
    let bytes = [LEAVES[0].as_bytes(), LEAVES[1].as_bytes(), b"body".as_slice()].concat();
    let mut seen = Vec::new();
    let mut source = &bytes[..];
    read_leaves(&mut source, &manifest, |leaf| {
        seen.push(leaf);
        Ok(())
    })
    .unwrap();
    assert_eq!((seen.as_slice(), source), (&LEAVES[..], &b"body"[..]));

    let ignored = |bytes: &[u8]| read_leaves(&mut &bytes[..], &manifest, |_| Ok(())).unwrap_err();
    let contradiction = ParseError::Contradiction { field: "leaves" };
    assert_eq!(shape(&ignored(&with(&bytes, 63, &[3]))), Some(contradiction));
    assert_eq!(shape(&ignored(&bytes[..63])), Some(ParseError::Truncated { field: "leaf" }));
    let full = |_| Err(io::ErrorKind::StorageFull.into());
    let error = read_leaves(&mut &bytes[..], &manifest, full).unwrap_err();
    assert!(matches!(error, ReadError::Io(error) if error.kind() == io::ErrorKind::StorageFull));
}
