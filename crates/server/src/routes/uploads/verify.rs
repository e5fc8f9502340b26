//! Whether manifest and grants fit together, to the author, and to what was received. Pure and without keys.

use std::collections::{HashMap, HashSet};

use db::NewGrant;
use envelope::bundle::{KeyAlgorithm, KeyUsage};
use envelope::merkle::{self, Node};
use envelope::{Bundle, Grant, Manifest, PartShape, Suite, Wrap, grant};
use proto::limits::{GRANT_MAX, GRANTS_MAX, MANIFEST_MAX};
use proto::{B64, Code, FileId, GrantTo, UserId};

use crate::error::{Answer, Refusal};

/// The signed parts of a complete, read but not yet judged.
pub(crate) struct Signed {
    pub(crate) manifest: Manifest,
    /// Without an account: for a bare key.
    grants: Vec<(Option<UserId>, Grant)>,
}

impl Signed {
    /// Reads manifest and grants strictly.
    pub(crate) fn parse(manifest: &B64, grants: &[GrantTo]) -> Answer<Self> {
        if grants.len() > GRANTS_MAX {
            return Err(Refusal::malformed("At most 500 grants go with a complete."));
        }
        if manifest.0.len() > MANIFEST_MAX || grants.iter().any(|to| to.grant.0.len() > GRANT_MAX) {
            return Err(Refusal::malformed("The manifest or a grant is too long."));
        }
        let manifest = Manifest::parse(manifest.0.as_slice())
            .map_err(|error| Refusal::malformed(format!("The manifest cannot be read: {error}.")))?;
        let grants = grants
            .iter()
            .map(|to| Grant::parse(to.grant.0.as_slice()).map(|grant| (to.user_id, grant)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Refusal::malformed(format!("A grant cannot be read: {error}.")))?;
        Ok(Self { manifest, grants })
    }

    /// Every person who is given the file.
    pub(crate) fn users(&self) -> Vec<UserId> {
        self.grants.iter().filter_map(|(user, _)| *user).collect()
    }

    /// Judges who signed what for whom. `bundles` holds the newest bundles of everybody concerned. A member of a folder
    /// needs no grant.
    pub(crate) fn check(
        &self,
        file_id: FileId,
        author: UserId,
        bundles: &HashMap<UserId, Bundle>,
        is_member: bool,
    ) -> Answer<Vec<NewGrant>> {
        let manifest = &self.manifest;
        let bundle = bundles
            .get(&author)
            .ok_or_else(|| rejected("Publish your bundle first: files are signed by its root key."))?;
        if manifest.suite() != Suite::Signed {
            return Err(rejected("The manifest is not signed."));
        }
        if manifest.file_id() != file_id {
            return Err(rejected("The manifest is of another file."));
        }
        if manifest.author_root_id() != bundle.root_id() {
            return Err(rejected("The manifest names another root key than that of your newest bundle."));
        }
        manifest
            .verify(bundle.root_key())
            .map_err(|_| rejected("The manifest is not signed by your root key."))?;
        let judged = self.check_grants(bundle, bundles)?;
        if !is_member && !judged.iter().any(|grant| grant.user == Some(author)) {
            return Err(rejected("A grant to yourself is missing."));
        }
        Ok(judged)
    }

    /// Judges grants that are given to a file that is there, by `giver`. The manifest was judged when the file appeared.
    pub(crate) fn check_given(
        &self,
        giver: UserId,
        bundles: &HashMap<UserId, Bundle>,
    ) -> Answer<Vec<NewGrant>> {
        let bundle = bundles
            .get(&giver)
            .ok_or_else(|| rejected("Publish your bundle first: grants are signed by its root key."))?;
        self.check_grants(bundle, bundles)
    }

    /// Judges the grants, all given by the root of `giver`.
    fn check_grants(&self, giver: &Bundle, bundles: &HashMap<UserId, Bundle>) -> Answer<Vec<NewGrant>> {
        let (mut seen, mut keys) = (HashSet::new(), HashSet::new());
        let mut judged = Vec::with_capacity(self.grants.len());
        for (user, grant) in &self.grants {
            match user {
                Some(user) => {
                    if !seen.insert(*user) {
                        return Err(rejected("Two grants are for the same person."));
                    }
                    let recipient = bundles.get(user).ok_or_else(|| {
                        rejected("A grant is for somebody who has not published a bundle here.")
                    })?;
                    if !is_key_of(grant, recipient) {
                        return Err(rejected(
                            "A grant is for a key that its recipient's newest bundle does not name.",
                        ));
                    }
                }
                None if grant.wrap() != Wrap::RsaOaep => {
                    return Err(rejected("A grant without an account is for an RSA key."));
                }
                None if !keys.insert(grant.recipient_id()) => {
                    return Err(rejected("Two grants are for the same key."));
                }
                None => {}
            }
            self.check_grant(grant, giver)?;
            judged.push(NewGrant {
                user: *user,
                recipient: grant.recipient_id(),
                bytes: grant.as_bytes().to_vec(),
            });
        }
        Ok(judged)
    }

    /// Judges what a visitor sends into a box: by nobody, for the owner of the box and for nobody else.
    pub(crate) fn check_anonymous(
        &self,
        file_id: FileId,
        owner: UserId,
        bundle: &Bundle,
    ) -> Answer<Vec<NewGrant>> {
        let manifest = &self.manifest;
        if manifest.suite() != Suite::Anonymous {
            return Err(rejected("What comes into a drop box without an account is not signed."));
        }
        if manifest.file_id() != file_id {
            return Err(rejected("The manifest is of another file."));
        }
        let [(user, grant)] = self.grants.as_slice() else {
            return Err(rejected("There is one grant, to the owner of the drop box."));
        };
        if *user != Some(owner) || grant.suite() != Suite::Anonymous || !is_key_of(grant, bundle) {
            return Err(rejected("The grant is not for a key of the newest bundle of the drop box's owner."));
        }
        if grant.file_id() != file_id || grant.content_id() != manifest.content_id() {
            return Err(rejected("The grant is of another file."));
        }
        if grant.min_revision() > manifest.revision() {
            return Err(rejected("A grant asks for a later revision than the manifest's."));
        }
        Ok(vec![NewGrant {
            user: Some(owner),
            recipient: grant.recipient_id(),
            bytes: grant.as_bytes().to_vec(),
        }])
    }

    fn check_grant(&self, grant: &Grant, giver: &Bundle) -> Answer<()> {
        let manifest = &self.manifest;
        if grant.suite() != Suite::Signed {
            return Err(rejected("A grant is not signed."));
        }
        if grant.file_id() != manifest.file_id() || grant.content_id() != manifest.content_id() {
            return Err(rejected("A grant is of another file."));
        }
        if grant.grantor_root_id() != giver.root_id() {
            return Err(rejected("A grant is given by another root key than yours."));
        }
        if grant.min_revision() > manifest.revision() {
            return Err(rejected("A grant asks for a later revision than the manifest's."));
        }
        grant.verify(giver.root_key()).map_err(|_| rejected("A grant is not signed by your root key."))
    }
}

/// Judges what was received: every part of the body, of its length, and together under the signed root.
pub(super) fn check_body(manifest: &Manifest, upload: &db::Upload, parts: &[db::Part]) -> Answer<()> {
    let body = manifest.body();
    if upload.body_len.is_some_and(|told| told != body.body_len()) {
        return Err(rejected("The manifest gives another length than the upload was begun with."));
    }
    let shape = PartShape::from_part_len(upload.part_len).map_err(Refusal::internal)?;
    if !shape.holds(body) {
        return Err(rejected("The body would have more parts than an upload can."));
    }
    let count = shape.parts(body);
    if parts.iter().any(|part| part.n >= count) {
        return Err(rejected("More was received than the manifest says."));
    }
    let missing = u64::from(count).saturating_sub(parts.len() as u64);
    if missing > 0 {
        return Err(Refusal::new(Code::PartsMissing, format!("{missing} of {count} parts are missing.")));
    }
    let fit = (0..count).zip(parts).all(|(n, part)| {
        part.n == n && shape.part_len(body, n) == Some(part.len) && part.is_final == (n + 1 == count)
    });
    if !fit {
        return Err(rejected("The parts do not have the lengths that the manifest says."));
    }
    let nodes: Vec<_> = parts.iter().map(|part| Node::from_bytes(*part.node.as_bytes())).collect();
    if merkle::root(&nodes) != Some(manifest.body_root()) {
        return Err(rejected("What was received is not what the manifest signs."));
    }
    Ok(())
}

/// Whether a grant is wrapped to a key of this format that the recipient's bundle names.
pub(crate) fn is_key_of(grant: &Grant, recipient: &Bundle) -> bool {
    let algorithm = match grant.wrap() {
        Wrap::XWing => KeyAlgorithm::XWing,
        Wrap::RsaOaep => KeyAlgorithm::Rsa,
        Wrap::Link => return false,
    };
    recipient.keys().iter().any(|key| {
        key.usage == KeyUsage::V1
            && key.algorithm == algorithm
            && grant::recipient_id(grant.wrap(), Some(recipient.root_id()), &key.key) == grant.recipient_id()
    })
}

fn rejected(detail: &'static str) -> Refusal {
    Refusal::new(Code::Rejected, detail)
}
