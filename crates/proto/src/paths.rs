//! Every native path, once; `{x}` is a field in axum's notation, and the client fills it with [`fill`].

/// Where the native API lives.
pub const PREFIX: &str = "/api/v1";

/// `POST`: send a code.
pub const CODE: &str = "/api/v1/auth/code";
/// `POST`: open a session.
pub const SESSION: &str = "/api/v1/auth/session";
/// `POST`: renew a session.
pub const REFRESH: &str = "/api/v1/auth/refresh";
/// `POST`: end a session.
pub const LOGOUT: &str = "/api/v1/auth/logout";
/// `POST`: show the second factor of a sign-in that lacks it.
pub const SECOND: &str = "/api/v1/auth/second";
/// `GET`: the caller's sessions.
pub const SESSIONS: &str = "/api/v1/auth/sessions";
/// `DELETE`: end one of the caller's sessions.
pub const ONE_SESSION: &str = "/api/v1/auth/sessions/{session_id}";
/// `POST`: end all of the caller's sessions but this one.
pub const OTHER_SESSIONS: &str = "/api/v1/auth/sessions/end-others";
/// `POST`: offer a secret for an authenticator app.
pub const TOTP: &str = "/api/v1/auth/totp";
/// `POST`: confirm it by a code.
pub const TOTP_CONFIRM: &str = "/api/v1/auth/totp/confirm";
/// `POST`: remove it.
pub const TOTP_REMOVE: &str = "/api/v1/auth/totp/remove";
/// `POST`: new backup codes.
pub const BACKUP_CODES: &str = "/api/v1/auth/backup-codes";
/// `POST`: begin to add a passkey. `GET`: the caller's passkeys.
pub const PASSKEYS: &str = "/api/v1/auth/passkeys";
/// `POST`: add it.
pub const PASSKEYS_FINISH: &str = "/api/v1/auth/passkeys/finish";
/// `PUT`: give a passkey another name.
pub const ONE_PASSKEY: &str = "/api/v1/auth/passkeys/{passkey_id}";
/// `POST`: remove it.
pub const PASSKEY_REMOVE: &str = "/api/v1/auth/passkeys/{passkey_id}/remove";
/// `POST`: begin to sign in with a passkey alone.
pub const PASSKEY: &str = "/api/v1/auth/passkey";
/// `POST`: open a session by it.
pub const PASSKEY_SESSION: &str = "/api/v1/auth/passkey/session";
/// `POST`: begin to show a passkey as the second factor of a sign-in.
pub const SECOND_PASSKEY: &str = "/api/v1/auth/second/passkey";
/// `POST`: show it.
pub const SECOND_PASSKEY_FINISH: &str = "/api/v1/auth/second/passkey/finish";
/// `GET`: who calls.
pub const WHOAMI: &str = "/api/v1/auth/whoami";
/// `PUT`: keep the caller's key file. `GET`: that key file.
pub const VAULT: &str = "/api/v1/vault";
/// `POST`: remove it.
pub const VAULT_REMOVE: &str = "/api/v1/vault/remove";
/// `PUT`: write the record of pins. `GET`: that record.
pub const PINS: &str = "/api/v1/pins";
/// `PUT`: publish the caller's bundle. `GET`: the caller's newest bundle as a [`crate::MyBundle`].
pub const MY_BUNDLE: &str = "/api/v1/directory/me";
/// `POST`: ask for new keys without the signature of the old ones, as a [`crate::PublishBundle`].
pub const RESET: &str = "/api/v1/directory/reset";
/// `POST`: the keys stay.
pub const RESET_STOP: &str = "/api/v1/directory/reset/stop";
/// `POST`: the caller leaves and is forgotten, as a [`crate::FactorRequest`].
pub const ERASE: &str = "/api/v1/account/erase";
/// `GET`, `PUT`: whether letters tell of shared files, as [`crate::Notify`].
pub const NOTIFY: &str = "/api/v1/account/notify";
/// `POST`: bundles for addresses.
pub const LOOKUP: &str = "/api/v1/directory/lookup";
/// `GET`: bundles of one account in order, `?from=SEQ`.
pub const CHAIN: &str = "/api/v1/directory/{user_id}/chain";
/// `POST`: begin. `GET`: list unfinished.
pub const UPLOADS: &str = "/api/v1/uploads";
/// `GET`: status. `DELETE`: abandon.
pub const UPLOAD: &str = "/api/v1/uploads/{file_id}";
/// `PUT`: one part.
pub const PART: &str = "/api/v1/uploads/{file_id}/parts/{n}";
/// `POST`: where to put a part in the object store, as a [`crate::AskDirect`]. `PUT`: it is there, as a [`crate::ConfirmDirect`].
pub const PART_DIRECT: &str = "/api/v1/uploads/{file_id}/parts/{n}/direct";
/// `POST`: make the file appear.
pub const COMPLETE: &str = "/api/v1/uploads/{file_id}/complete";
/// `GET`: list.
pub const FILES: &str = "/api/v1/files";
/// `GET`: what changed in the caller's list, as [`crate::FileChanges`].
pub const CHANGES: &str = "/api/v1/files/changes";
/// `POST`: whole small files, as a [`crate::Batch`].
pub const BATCH: &str = "/api/v1/files/batch";
/// `GET`: one file. `DELETE`: remove it for everybody (author; header [`crate::headers::PROOF`]).
pub const FILE: &str = "/api/v1/files/{file_id}";
/// `GET`: where its parts are on IPFS, `?from=N`, as [`crate::PartCids`].
pub const CIDS: &str = "/api/v1/files/{file_id}/cids";
/// `POST`: leave to fetch content.
pub const TICKET: &str = "/api/v1/files/{file_id}/ticket";
/// `POST`: give the file to more people, as a [`crate::Share`].
pub const GRANTS: &str = "/api/v1/files/{file_id}/grants";
/// `POST`: the author ends every other's access, and all links.
pub const STOP: &str = "/api/v1/files/{file_id}/stop";
/// `PUT`: the author gives it another name, as a [`crate::Rename`].
pub const MANIFEST: &str = "/api/v1/files/{file_id}/manifest";
/// `PUT`: the author changes how long and how often it may be fetched, as a [`crate::ChangeFile`].
pub const TERMS: &str = "/api/v1/files/{file_id}/terms";
/// `DELETE`: the author takes a recipient's grant back; a recipient may name only itself.
pub const GRANT: &str = "/api/v1/files/{file_id}/grants/{user_id}";
/// `DELETE`: the author takes the grant of a bare key back.
pub const KEY: &str = "/api/v1/files/{file_id}/keys/{recipient_id}";
/// `PUT`: the caller's own grant again, wrapped to the newest of their keys, as a [`crate::ReplaceGrant`].
pub const MY_GRANT: &str = "/api/v1/files/{file_id}/grants/me";
/// `POST`: a recipient's signature that they opened the file, as a [`crate::PostReceipt`].
pub const RECEIPT: &str = "/api/v1/files/{file_id}/receipt";
/// `POST`: make a link to a file of the caller's, as a [`crate::MakeLink`]. `GET`: the caller's links.
pub const LINKS: &str = "/api/v1/links";
/// `PUT`: how long and how often a link of the caller's opens, as a [`crate::ChangeLink`]. `DELETE`: take it back.
pub const LINK: &str = "/api/v1/links/{link_id}";
/// `POST`: a nonce to prove the secret of a link by; without a session, and the same for a link that there is not.
pub const LINK_NONCE: &str = "/api/v1/links/{link_id}/nonce";
/// `POST`: open a link by that proof, as a [`crate::OpenLink`]; without a session.
pub const LINK_OPEN: &str = "/api/v1/links/{link_id}/open";
/// `POST`: make a drop box, as a [`crate::MakeBox`]. `GET`: the caller's boxes.
pub const BOXES: &str = "/api/v1/boxes";
/// `GET`: what a visitor needs to send into it, as a [`crate::BoxView`]; without a session. `DELETE`: close the caller's.
pub const BOX: &str = "/api/v1/boxes/{box_id}";
/// `POST`: begin a visitor's upload, as a [`crate::Begin`]; by [`crate::headers::UPLOAD_KEY`], as all that follow.
pub const BOX_UPLOADS: &str = "/api/v1/boxes/{box_id}/uploads";
/// `GET`: status. `DELETE`: abandon.
pub const BOX_UPLOAD: &str = "/api/v1/boxes/{box_id}/uploads/{file_id}";
/// `PUT`: one part.
pub const BOX_PART: &str = "/api/v1/boxes/{box_id}/uploads/{file_id}/parts/{n}";
/// `POST`: make the file appear, as a [`crate::Complete`].
pub const BOX_COMPLETE: &str = "/api/v1/boxes/{box_id}/uploads/{file_id}/complete";
/// `GET`: the page of a link, for a person.
pub const LINK_PAGE: &str = "/s/{link_id}";
/// `GET`: the page of a drop box, for a person.
pub const BOX_PAGE: &str = "/d/{box_id}";
/// `GET`: the page of an invitation, for a person.
pub const INVITATION_PAGE: &str = "/i/{user_id}";
/// `GET`: what happened to the caller's account and files, newest first.
pub const ACTIVITY: &str = "/api/v1/activity";
/// `GET`: what happens, as it happens: [`crate::LiveEvent`] after [`crate::LiveEvent`], over a WebSocket or as a reply that
/// does not end.
pub const EVENTS: &str = "/api/v1/events";
/// `GET`: the chain of the audit log, `?from=SEQ`.
pub const HEADS: &str = "/api/v1/activity/heads";
/// `GET`: level-10 nodes.
pub const TREE: &str = "/api/v1/content/{file_id}/tree";
/// `GET`: one page of leaves.
pub const LEAVES: &str = "/api/v1/content/{file_id}/leaves/{page}";
/// `GET`: ciphertext of one part, with `Range`.
pub const CONTENT: &str = "/api/v1/content/{file_id}/parts/{n}";
/// `POST`: the signed parts of members of a folder, as a [`crate::MembersRequest`].
pub const MEMBERS: &str = "/api/v1/content/{file_id}/members";
/// `GET`: documented health.
pub const HEALTH: &str = "/health";
/// `GET`: 200 when requests can be served, 503 otherwise.
pub const READY: &str = "/health/ready";

// The documented API (v0), at the root and under `/api/v0`.

/// Where clients of our own reach it.
pub const V0_PREFIX: &str = "/api/v0";
/// v0 `POST`: send a code, as a [`crate::v0::OtpRequest`].
pub const V0_OTP: &str = "/api/v0/auth/request_otp";
/// The same at the root.
pub const V0_OTP_ROOT: &str = "/auth/request_otp";
/// v0 `POST`: open a session, as a [`crate::v0::LoginRequest`].
pub const V0_LOGIN: &str = "/api/v0/auth/login";
/// The same at the root.
pub const V0_LOGIN_ROOT: &str = "/auth/login";
/// v0 `POST`: a new access token.
pub const V0_REFRESH: &str = "/api/v0/auth/refresh";
/// The same at the root.
pub const V0_REFRESH_ROOT: &str = "/auth/refresh";
/// v0 `POST`: end the session.
pub const V0_LOGOUT: &str = "/api/v0/auth/logout";
/// The same at the root.
pub const V0_LOGOUT_ROOT: &str = "/auth/logout";
/// v0 `POST`: a whole file.
pub const V0_UPLOAD: &str = "/api/v0/upload";
/// The same at the root.
pub const V0_UPLOAD_ROOT: &str = "/upload";
/// v0 `POST`: where to put a file in the object store.
pub const V0_PRESIGNED: &str = "/api/v0/upload/presigned";
/// The same at the root.
pub const V0_PRESIGNED_ROOT: &str = "/upload/presigned";
/// v0 `POST`: a file that was put there.
pub const V0_S3: &str = "/api/v0/upload/s3";
/// The same at the root.
pub const V0_S3_ROOT: &str = "/upload/s3";
/// v0 `GET`: the caller's uploads.
pub const V0_FILES: &str = "/api/v0/files";
/// The same at the root.
pub const V0_FILES_ROOT: &str = "/files";
/// v0 `GET`: a whole file. `DELETE`: end it.
pub const V0_FILE: &str = "/api/v0/files/{file_id}";
/// The same at the root.
pub const V0_FILE_ROOT: &str = "/files/{file_id}";
/// v0 `GET`: what is known of it.
pub const V0_METADATA: &str = "/api/v0/files/{file_id}/metadata";
/// The same at the root.
pub const V0_METADATA_ROOT: &str = "/files/{file_id}/metadata";
/// v0 `GET`: totals of the caller.
pub const V0_STATS: &str = "/api/v0/stats";
/// The same at the root.
pub const V0_STATS_ROOT: &str = "/stats";
/// v0 `GET`: how the server is; at the root it is [`HEALTH`].
pub const V0_HEALTH: &str = "/api/v0/health";
/// `GET`: files of the documented API that are the caller's, or that the caller may fetch, as a [`crate::v0::NativeList`].
pub const V0_NATIVE_LIST: &str = "/api/v1/v0-files";

/// Puts values into the `{fields}` of a path, in order. Values are ids and numbers: nothing to escape.
#[must_use]
pub fn fill(path: &str, values: &[&dyn std::fmt::Display]) -> String {
    let mut out = String::with_capacity(path.len() + 64);
    let mut rest = path;
    let mut values = values.iter();
    while let Some((before, after)) = rest.split_once('{') {
        let (_, after) = after.split_once('}').expect("every path constant closes its fields");
        out.push_str(before);
        let value = values.next().expect("as many values as fields");
        out.push_str(&value.to_string());
        rest = after;
    }
    debug_assert!(values.next().is_none(), "as many fields as values");
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_filled_in_order() {
        assert_eq!(fill(PART, &[&"abc", &7]), "/api/v1/uploads/abc/parts/7");
        assert_eq!(fill(FILES, &[]), FILES);
    }
}
