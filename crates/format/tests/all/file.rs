//! Opening a file: every honest way in, and every transplant.

use envelope::ed25519::PublicKey;
use envelope::grant::GrantHead;
use envelope::manifest::ManifestHead;
use envelope::merkle::Node;
use envelope::small::SMALL_OVERHEAD;
use envelope::{BodyShape, Grant, Manifest, RootId, Suite, Wrap};
use format::grant::{RecipientKey, SealGrant, seal_grant, seal_grants};
use format::manifest::{RenameError, SealManifest, open_manifest, rename, seal_manifest};
use format::metadata::Padding;
use format::open::{OpenFile, Reader, Sharing, open_file};
use format::payload::segments_of;
use format::{FileName, Identity, Metadata, OpenError, OpenedFile, SealError};
use hpke::{Deserializable, Kem, Serializable};
use proptest::prelude::*;

use crate::fixtures::{Forger, Sealed, metadata, recipient};

fn open(
    manifest: &Manifest,
    grant: &Grant,
    identity: &Identity,
    author: Option<&PublicKey>,
) -> Result<OpenedFile, OpenError> {
    let reader = Reader::Identity(identity);
    open_file(&OpenFile { manifest, grant, reader, author, grantor: None, linked: &[] })
}

fn refused(result: Result<OpenedFile, OpenError>) {
    assert_eq!(result.map(drop), Err(OpenError::NotAuthentic));
}

struct World {
    alice: Forger,
    bob: Identity,
    file: Sealed,
    grant: Grant,
}

/// Alice sealed a file and gave Bob a grant.
fn world() -> World {
    let alice = Forger::new(1);
    let bob = Identity::generate();
    let file = Sealed::by(Some(&alice.root));
    let grant = file.grant(Some(&alice.root), &recipient(&bob));
    World { alice, bob, file, grant }
}

/// An X-Wing wrap of the file's key for `head`, signed by `signer` if the suite asks for it.
fn forge_grant(file: &Sealed, head: &GrantHead, to: &Identity, signer: &Forger) -> Grant {
    let key = <hpke::kem::XWing as Kem>::PublicKey::from_bytes(to.xwing_public()).unwrap();
    let (encapsulated, wrapped) =
        hpke::single_shot_seal::<hpke::aead::AesGcm256, hpke::kdf::HkdfSha256, hpke::kem::XWing>(
            &hpke::OpModeS::Base,
            &key,
            &head.bound(),
            file.fk.secret().expose_secret(),
            &[],
        )
        .unwrap();
    let bytes = head.encode(&encapsulated.to_bytes(), &wrapped).unwrap();
    sign_grant(head, bytes, signer)
}

fn sign_grant(head: &GrantHead, mut bytes: Vec<u8>, signer: &Forger) -> Grant {
    if head.suite == Suite::Signed {
        let signature = signer.sign(&[b"waxwing/v1/grant\0", &bytes]);
        bytes.extend_from_slice(&signature);
    }
    Grant::parse(bytes).unwrap()
}

#[test]
fn the_recipient_opens_what_the_author_sealed() {
    let World { alice, bob, file, grant } = world();
    let opened = open(&file.manifest, &grant, &bob, Some(alice.root.public())).unwrap();
    assert_eq!(opened.metadata, file.metadata);
    assert_eq!(opened.fk, file.fk);
    assert_eq!(opened.shape.body_len(), file.body.len() as u64);
    assert_eq!(opened.sharing, Sharing::ByAuthor(alice.id()));
    let mut body = file.body.clone();
    let leaves =
        opened.opener.open_batch(0, format::Position::Final, &mut segments_of(&mut body), None).unwrap();
    assert_eq!(envelope::merkle::root(&leaves), Some(file.manifest.body_root()));
}

#[test]
fn a_forged_grant_made_by_the_rules_opens_so_that_refusals_below_mean_something() {
    let World { alice, bob, file, grant } = world();
    let forged = forge_grant(&file, grant.head(), &bob, &alice);
    assert!(open(&file.manifest, &forged, &bob, Some(alice.root.public())).is_ok());
    let forged = file.forge(file.manifest.head(), file.manifest.metadata(), &alice);
    assert_eq!(forged.as_bytes(), file.manifest.as_bytes());
}

#[test]
fn another_person_cannot_open_it() {
    let World { alice, file, grant, .. } = world();
    let carol = Identity::generate();
    let result = open(&file.manifest, &grant, &carol, Some(alice.root.public()));
    assert_eq!(result.map(drop), Err(OpenError::NotForThisIdentity));
}

#[test]
fn another_author_than_the_pinned_one_is_refused() {
    let World { bob, file, grant, .. } = world();
    refused(open(&file.manifest, &grant, &bob, Some(Forger::new(2).root.public())));
    refused(open(&file.manifest, &grant, &bob, None));
}

#[test]
fn a_grant_moved_to_another_file_is_refused() {
    let World { alice, bob, file, grant } = world();
    let other = Sealed::by(Some(&alice.root));
    refused(open(&other.manifest, &grant, &bob, Some(alice.root.public())));
    // The same key and file id, another content: only the content id tells.
    let head = ManifestHead { body_root: Node::from_bytes([1; 32]), ..file.manifest.head().clone() };
    let altered = file.forge(&head, file.manifest.metadata(), &alice);
    refused(open(&altered, &grant, &bob, Some(alice.root.public())));
    // The right content under another file's id.
    let head = GrantHead { file_id: other.file_id, ..grant.head().clone() };
    let moved = forge_grant(&file, &head, &bob, &alice);
    refused(open(&file.manifest, &moved, &bob, Some(alice.root.public())));
}

#[test]
fn a_wrap_moved_under_another_head_is_refused() {
    let World { alice, bob, file, grant } = world();
    let altered = GrantHead { not_after: 1, ..grant.head().clone() };
    let bytes = altered.encode(grant.encapsulated_key(), grant.wrapped_key()).unwrap();
    let moved = sign_grant(&altered, bytes, &alice);
    refused(open(&file.manifest, &moved, &bob, Some(alice.root.public())));
}

#[test]
fn a_grant_moved_to_another_recipient_is_refused() {
    let World { alice, file, grant, .. } = world();
    let carol = Identity::generate();
    let head = GrantHead { recipient_id: carol.recipient_id(), ..grant.head().clone() };
    let bytes = head.encode(grant.encapsulated_key(), grant.wrapped_key()).unwrap();
    let moved = sign_grant(&head, bytes, &alice);
    refused(open(&file.manifest, &moved, &carol, Some(alice.root.public())));
    // A key given under another root than the one that vouches for it.
    let bob_as_carol =
        RecipientKey::xwing(Some(carol.root_id()), Identity::generate().xwing_public()).unwrap();
    let grant = file.grant(Some(&alice.root), &bob_as_carol);
    let result = open(&file.manifest, &grant, &carol, Some(alice.root.public()));
    assert_eq!(result.map(drop), Err(OpenError::NotForThisIdentity));
}

#[test]
fn a_recipient_cannot_pass_the_file_off_as_their_own() {
    let World { bob, file, .. } = world();
    let mallory = Forger::new(9);
    // Mallory knows the file key, makes a whole manifest under her name, and grants it.
    let stolen = seal_manifest(&SealManifest {
        fk: &file.fk,
        file_id: file.file_id,
        revision: 1,
        author: Some(&mallory.root),
        payload_header: file.manifest.payload_header(),
        body: file.manifest.body(),
        body_root: file.manifest.body_root(),
        metadata: &file.metadata,
    })
    .unwrap();
    let seal = SealGrant {
        fk: &file.fk,
        manifest: &stolen,
        grantor: Some(&mallory.root),
        min_revision: 1,
        not_after: 0,
    };
    let grant = seal_grant(&seal, &recipient(&bob)).unwrap();
    refused(open(&stolen, &grant, &bob, Some(mallory.root.public())));
}

#[test]
fn a_manifest_resigned_by_another_is_refused() {
    let World { alice, bob, file, grant } = world();
    let mallory = Forger::new(9);
    let resigned = file.forge(file.manifest.head(), file.manifest.metadata(), &mallory);
    refused(open(&resigned, &grant, &bob, Some(alice.root.public())));
    refused(open(&resigned, &grant, &bob, Some(mallory.root.public())));
}

#[test]
fn a_grant_signed_by_another_is_refused() {
    let World { alice, bob, file, grant } = world();
    let forged = forge_grant(&file, grant.head(), &bob, &Forger::new(9));
    refused(open(&file.manifest, &forged, &bob, Some(alice.root.public())));
}

#[test]
fn an_unsigned_grant_on_a_signed_manifest_is_refused() {
    let World { alice, bob, file, grant } = world();
    let head = GrantHead { suite: Suite::Anonymous, grantor_root_id: RootId::ZERO, ..grant.head().clone() };
    let unsigned = forge_grant(&file, &head, &bob, &alice);
    refused(open(&file.manifest, &unsigned, &bob, Some(alice.root.public())));
    let seal =
        SealGrant { fk: &file.fk, manifest: &file.manifest, grantor: None, min_revision: 1, not_after: 0 };
    assert_eq!(seal_grant(&seal, &recipient(&bob)).map(drop), Err(SealError::Grantor));
}

#[test]
fn metadata_of_another_revision_is_refused() {
    let World { alice, bob, file, grant } = world();
    let name = FileName::parse("renamed.pdf").unwrap();
    let renamed = rename(&file.manifest, &file.fk, &alice.root, name, String::new()).unwrap();
    assert!(open(&renamed, &grant, &bob, Some(alice.root.public())).is_ok());
    let mixed = file.forge(renamed.head(), file.manifest.metadata(), &alice);
    refused(open(&mixed, &grant, &bob, Some(alice.root.public())));
}

#[test]
fn a_manifest_below_the_lowest_revision_of_the_grant_is_refused() {
    let World { alice, bob, file, .. } = world();
    let author = Some(alice.root.public());
    let grant = file.grant_from(Some(&alice.root), &recipient(&bob), 2);
    refused(open(&file.manifest, &grant, &bob, author));
    let renamed =
        rename(&file.manifest, &file.fk, &alice.root, file.metadata.name.clone(), String::new()).unwrap();
    assert!(open(&renamed, &grant, &bob, author).is_ok());
}

#[test]
fn a_rename_keeps_grants_and_content() {
    let World { alice, bob, file, grant } = world();
    let name = FileName::parse("renamed.pdf").unwrap();
    let renamed =
        rename(&file.manifest, &file.fk, &alice.root, name.clone(), "text/plain".to_owned()).unwrap();
    assert_eq!((renamed.revision(), renamed.content_id()), (2, file.manifest.content_id()));
    let opened = open(&renamed, &grant, &bob, Some(alice.root.public())).unwrap();
    let expected =
        Metadata { name: name.clone(), media_type: "text/plain".to_owned(), ..file.metadata.clone() };
    assert_eq!(opened.metadata, expected);
    let result = rename(&file.manifest, &file.fk, &Forger::new(2).root, name, String::new());
    assert_eq!(result.map(drop), Err(RenameError::NotTheAuthor));
}

#[test]
fn a_wrong_authentication_code_is_refused_although_signed() {
    let World { alice, bob, file, grant } = world();
    let mut bytes = file.manifest.authenticated_bytes().to_vec();
    bytes.extend_from_slice(&[0; 32]);
    let signature = alice.sign(&[b"waxwing/v1/manifest\0", &bytes]);
    bytes.extend_from_slice(&signature);
    let forged = Manifest::parse(bytes).unwrap();
    assert_eq!(forged.verify(alice.root.public()), Ok(()));
    refused(open(&forged, &grant, &bob, Some(alice.root.public())));
}

#[test]
fn a_wrong_payload_header_is_refused_although_everything_else_fits() {
    let World { alice, bob, file, grant } = world();
    let mut payload_header = *file.manifest.payload_header();
    payload_header[73] ^= 1;
    let head = ManifestHead { payload_header, ..file.manifest.head().clone() };
    let forged = file.forge(&head, file.manifest.metadata(), &alice);
    let grant_head = GrantHead { content_id: head.content_id(), ..grant.head().clone() };
    let grant = forge_grant(&file, &grant_head, &bob, &alice);
    refused(open(&forged, &grant, &bob, Some(alice.root.public())));
}

#[test]
fn the_author_opens_their_own_file() {
    let me = Identity::generate();
    let file = Sealed::by(Some(me.root()));
    let grant = file.grant(Some(me.root()), &recipient(&me));
    let opened = open(&file.manifest, &grant, &me, Some(me.root().public())).unwrap();
    assert_eq!(opened.sharing, Sharing::ByAuthor(me.root_id()));
}

#[test]
fn a_retired_key_still_opens_and_a_rewrap_says_so() {
    let World { alice, mut bob, file, grant } = world();
    let author = Some(alice.root.public());
    bob.rotate();
    assert!(open(&file.manifest, &grant, &bob, author).is_ok());
    let rewrapped = file.grant(Some(bob.root()), &recipient(&bob));
    let opened = open(&file.manifest, &rewrapped, &bob, author).unwrap();
    assert_eq!(opened.sharing, Sharing::ByAuthorRewrapped(alice.id()));
}

#[test]
fn a_file_passed_on_names_both_people() {
    let World { alice, file, .. } = world();
    let (mallory, carol) = (Forger::new(9), Identity::generate());
    let grant = file.grant(Some(&mallory.root), &recipient(&carol));
    let mut way = OpenFile {
        manifest: &file.manifest,
        grant: &grant,
        reader: Reader::Identity(&carol),
        author: Some(alice.root.public()),
        grantor: None,
        linked: &[],
    };
    refused(open_file(&way));
    way.grantor = Some(mallory.root.public());
    assert_eq!(
        open_file(&way).unwrap().sharing,
        Sharing::PassedOn { author: alice.id(), grantor: mallory.id() }
    );
}

/// Alice signed the file, retired that root, and gives the file to Carol with her new one.
#[test]
fn a_grant_by_a_root_linked_to_the_authors_is_the_authors_own_sharing() {
    let World { alice, file, .. } = world();
    let (successor, carol) = (format::RootKeyPair::generate(), Identity::generate());
    let grant = file.grant(Some(&successor), &recipient(&carol));
    let linked = [*format::RootKeyPair::generate().public(), *successor.public()];
    let mut way = OpenFile {
        manifest: &file.manifest,
        grant: &grant,
        reader: Reader::Identity(&carol),
        author: Some(alice.root.public()),
        grantor: None,
        linked: &linked,
    };
    let expected = Sharing::ByAuthorRotated { author: alice.id(), grantor: successor.root_id() };
    assert_eq!(open_file(&way).unwrap().sharing, expected);
    way.linked = &linked[..1];
    refused(open_file(&way));
    // A stranger who is known by another way stays a stranger, whoever else is linked.
    way.grantor = Some(successor.public());
    let passed_on = Sharing::PassedOn { author: alice.id(), grantor: successor.root_id() };
    assert_eq!(open_file(&way).unwrap().sharing, passed_on);
}

#[test]
fn an_anonymous_file_opens_and_says_so() {
    let bob = Identity::generate();
    let file = Sealed::by(None);
    let grant = file.grant(None, &recipient(&bob));
    assert_eq!(open(&file.manifest, &grant, &bob, None).unwrap().sharing, Sharing::Anonymous);
    let alice = Forger::new(1);
    let signed = file.grant(Some(&alice.root), &recipient(&bob));
    refused(open(&file.manifest, &signed, &bob, None));
    assert_eq!(
        open(&file.manifest, &signed, &bob, Some(alice.root.public())).unwrap().sharing,
        Sharing::AnonymousSharedBy(alice.id())
    );
}

#[test]
fn a_bare_key_opens_without_a_root() {
    let World { alice, bob, file, .. } = world();
    let bare = RecipientKey::xwing(None, bob.xwing_public()).unwrap();
    let grant = file.grant(Some(&alice.root), &bare);
    assert!(open(&file.manifest, &grant, &bob, Some(alice.root.public())).is_ok());
}

#[test]
fn other_wraps_are_not_for_an_identity() {
    let World { alice, bob, file, grant } = world();
    let head = GrantHead { wrap: Wrap::RsaOaep, ..grant.head().clone() };
    let bytes = head.encode(&[], &[7; 256]).unwrap();
    let rsa = sign_grant(&head, bytes, &alice);
    let result = open(&file.manifest, &rsa, &bob, Some(alice.root.public()));
    assert_eq!(result.map(drop), Err(OpenError::NotForThisIdentity));
}

#[test]
fn many_grants_come_in_order() {
    let World { alice, file, .. } = world();
    let people: Vec<Identity> = (0..5).map(|_| Identity::generate()).collect();
    let keys: Vec<RecipientKey> = people.iter().map(recipient).collect();
    let seal = SealGrant {
        fk: &file.fk,
        manifest: &file.manifest,
        grantor: Some(&alice.root),
        min_revision: 1,
        not_after: 0,
    };
    let grants = seal_grants(&seal, &keys).unwrap();
    for (person, grant) in people.iter().zip(&grants) {
        assert!(open(&file.manifest, grant, person, Some(alice.root.public())).is_ok());
    }
}

#[test]
fn an_invalid_recipient_key_is_refused() {
    let bob = Identity::generate();
    let key = bob.xwing_public();
    assert!(RecipientKey::xwing(None, &key[1..]).is_err());
    assert!(RecipientKey::xwing(None, &[]).is_err());
    // Coefficients of ML-KEM not below its modulus.
    let mut invalid = *key;
    invalid[..3].fill(0xff);
    assert_eq!(RecipientKey::xwing(None, &invalid).map(drop), Err(SealError::RecipientKey));
}

#[test]
fn metadata_that_contradicts_the_body_is_neither_sealed_nor_opened() {
    let World { alice, bob, file, grant } = world();
    let seal = |metadata: &Metadata| {
        seal_manifest(&SealManifest {
            fk: &file.fk,
            file_id: file.file_id,
            revision: 1,
            author: Some(&alice.root),
            payload_header: file.manifest.payload_header(),
            body: file.manifest.body(),
            body_root: file.manifest.body_root(),
            metadata,
        })
        .map(drop)
    };
    assert_eq!(seal(&metadata(1000)), Ok(()));
    assert_eq!(seal(&metadata(999)), Err(SealError::Metadata));
    let padded = Metadata { padding: Padding::Padme, ..metadata(1000) };
    assert_eq!(seal(&padded), Err(SealError::Metadata));
    let boxed = Metadata { box_id: Some([1; 16]), ..metadata(1000) };
    assert_eq!(seal(&boxed), Err(SealError::Metadata));
    // A body of another length than the metadata says, signed and granted all the same.
    let head =
        ManifestHead { body: BodyShape::from_plain_len(1001).unwrap(), ..file.manifest.head().clone() };
    let altered = file.forge(&head, file.manifest.metadata(), &alice);
    let grant_head = GrantHead { content_id: head.content_id(), ..grant.head().clone() };
    let grant = forge_grant(&file, &grant_head, &bob, &alice);
    refused(open(&altered, &grant, &bob, Some(alice.root.public())));
}

#[test]
fn metadata_length_hides_the_name() {
    let World { alice, file, .. } = world();
    for name in ["a", &"n".repeat(200)] {
        let name = FileName::parse(name).unwrap();
        let renamed = rename(&file.manifest, &file.fk, &alice.root, name, String::new()).unwrap();
        assert_eq!(renamed.metadata().len(), SMALL_OVERHEAD + 512);
    }
}

#[test]
fn opening_a_manifest_needs_its_key() {
    let World { file, .. } = world();
    assert_eq!(open_manifest(&file.manifest, &file.fk), Ok(file.metadata.clone()));
    let other = format::FileKey::generate();
    assert_eq!(open_manifest(&file.manifest, &other), Err(OpenError::NotAuthentic));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_flipped_bit_of_manifest_or_grant_is_refused(bit in any::<prop::sample::Index>(), in_grant: bool) {
        let World { alice, bob, file, grant } = world();
        let author = Some(alice.root.public());
        let mut bytes = if in_grant { grant.as_bytes().to_vec() } else { file.manifest.as_bytes().to_vec() };
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if in_grant {
            prop_assert!(Grant::parse(bytes).map_or(true, |grant| open(&file.manifest, &grant, &bob, author).is_err()));
        } else {
            prop_assert!(Manifest::parse(bytes).map_or(true, |manifest| open(&manifest, &grant, &bob, author).is_err()));
        }
    }
}
