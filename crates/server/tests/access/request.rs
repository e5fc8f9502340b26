//! The request of a row: right in everything but who makes it.

use envelope::action::{self, FactorChange, RECEIPT, VAULT_REMOVAL, context, vault_bytes};
use envelope::grant::GrantHead;
use envelope::{Suite, Wrap};
use proto::{
    AskDirect, B64, Batch, BatchFile, ConfirmDirect, PostReceipt, PublishBundle, PutVault, RemoveVault,
    ReplaceGrant, Token,
};
use proto::{headers, paths};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::scene::{Ids, Scene};
use super::table::Row;
use crate::auth::{factor, passkey};
use crate::stage::Parcel;
use crate::stage::sealed::{file_id, grant, node_of};

/// When a file was opened, as a receipt says it.
const OPENED: i64 = 1_800_000_000;

impl Scene<'_> {
    /// The request of a row, about `ids`.
    pub(super) fn request(&self, row: &Row, ids: &Ids) -> RequestBuilder {
        let path = self.filled(row, ids);
        let method: Method = row.method.parse().unwrap();
        let request = self.stage.http.request(method, format!("{}{path}", self.url));
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        self.with_body(request, row, ids)
    }

    fn filled(&self, row: &Row, ids: &Ids) -> String {
        let mut path = row.path.clone();
        for (field, value) in [
            ("{file_id}", ids.file.to_string()),
            ("{user_id}", ids.user.to_string()),
            ("{recipient_id}", ids.key.to_string()),
            ("{session_id}", ids.session.clone()),
            ("{passkey_id}", ids.passkey.clone()),
            ("{link_id}", ids.link.to_string()),
            ("{box_id}", ids.into.to_string()),
            ("{page}", "0".to_owned()),
            ("{n}", "0".to_owned()),
        ] {
            path = path.replace(field, &value);
        }
        assert!(!path.contains('{'), "the test knows no value for a field of {}", row.path);
        if row.about == "by a bare key" && row.method == "GET" {
            path.push_str(&format!("?recipient={}", ids.key));
        }
        path
    }

    fn with_body(&self, request: RequestBuilder, row: &Row, ids: &Ids) -> RequestBuilder {
        let (actor, stage) = (&self.actor, self.stage);
        match (row.method.as_str(), row.path.as_str()) {
            ("POST", paths::CODE) => request.json(&json!({ "email": actor.address })),
            ("POST", paths::SESSION) => request.json(&json!({ "email": actor.address, "code": self.ready })),
            ("POST", paths::PASSKEYS) => request.json(&passkey::named(stage, actor, "laptop")),
            ("PUT", paths::ONE_PASSKEY) => request.json(&json!({ "name": "phone" })),
            ("POST", paths::PASSKEY_REMOVE) => {
                request.json(&factor::proof(stage, actor, FactorChange::Remove))
            }
            ("POST", paths::PASSKEY) => request.json(&json!({})),
            (
                "POST",
                paths::SECOND
                | paths::PASSKEYS_FINISH
                | paths::PASSKEY_SESSION
                | paths::SECOND_PASSKEY
                | paths::SECOND_PASSKEY_FINISH,
            ) => request.header("content-type", "application/json").body(self.ready.clone()),
            ("POST", paths::REFRESH) => request.json(&json!({ "refresh_token": self.ready })),
            ("POST", paths::TOTP) => request.json(&factor::proof(stage, actor, FactorChange::Add)),
            ("POST", paths::TOTP_CONFIRM) => request.json(&json!({ "code": self.ready })),
            ("POST", paths::TOTP_REMOVE) => request.json(&factor::proof(stage, actor, FactorChange::Remove)),
            ("POST", paths::BACKUP_CODES) => {
                request.json(&factor::proof(stage, actor, FactorChange::BackupCodes))
            }
            ("PUT", paths::MY_BUNDLE) => {
                request.json(&PublishBundle { bundle: B64(actor.next_bundle().as_bytes().to_vec()) })
            }
            ("POST", paths::RESET) => {
                let bundle = crate::directory::reset::wish(actor);
                request.json(&PublishBundle { bundle: B64(bundle.as_bytes().to_vec()) })
            }
            ("POST", paths::RESET_STOP) => {
                let bundle = self.wish.as_ref().unwrap();
                request.json(&crate::directory::reset::objection(actor, &actor.root, bundle))
            }
            ("POST", paths::ERASE) => request.json(&crate::account::proof(stage, actor, action::ERASE, 0)),
            ("PUT", paths::NOTIFY) => request.json(&json!({ "mail": true })),
            ("PUT", paths::PINS) => {
                let record = crate::pins::record(actor.user, 1, actor);
                request.json(&proto::PutPins { previous: 0, record: B64(record) })
            }
            ("PUT", paths::VAULT) => {
                let vault = crate::vault::vault(actor.user, 1);
                let proof = crate::vault::proof(actor, 1, &vault);
                request.json(&PutVault { vault: B64(vault), proof })
            }
            ("POST", paths::VAULT_REMOVE) => {
                let signed = vault_bytes(&actor.user, 1, &[0; 32]);
                let proof = B64(actor.root.sign(&[&context(VAULT_REMOVAL), &signed]).to_vec());
                request.json(&RemoveVault { version: 1, proof })
            }
            ("POST", paths::LOOKUP) => request.json(&json!({ "addresses": [self.alice.address] })),
            ("POST", paths::UPLOADS) => request.json(&Parcel::new(1_000).begin_request()),
            ("PUT", paths::PART) => {
                let part = self.parcel.part(0).to_vec();
                request.header(headers::NODE, node_of(&part).to_string()).body(part)
            }
            ("POST", paths::PART_DIRECT) => {
                let part = self.parcel.part(0);
                request.json(&AskDirect { len: part.len() as u64, node: node_of(part) })
            }
            ("PUT", paths::PART_DIRECT) => {
                let (part, leave) = (self.parcel.part(0), Token::new("leave".to_owned()));
                request.json(&ConfirmDirect { len: part.len() as u64, node: node_of(part), leave })
            }
            ("POST", paths::COMPLETE) => request.json(&self.parcel.complete_request(actor, &[])),
            ("POST", paths::BATCH) => {
                let parcel = Parcel::new(1_000);
                let complete = parcel.complete_request(actor, &[]);
                let file = BatchFile { file_id: parcel.file_id, body: B64(parcel.body), complete };
                request.json(&Batch { files: vec![file] })
            }
            ("DELETE", paths::FILE) => {
                let signed = [context(action::DELETE).as_slice(), ids.file.as_bytes()].concat();
                let proof = B64(actor.root.sign(&[&signed]).to_vec());
                request.header(headers::PROOF, proof.to_text())
            }
            ("POST", paths::TICKET) => {
                let recipient = (row.about == "by a bare key").then_some(ids.key);
                let download_id = file_id().to_string();
                request.json(&proto::TicketRequest { download_id, recipient })
            }
            ("POST", paths::GRANTS) => {
                let manifest = self.manifest.as_ref().unwrap();
                let head = GrantHead {
                    grantor_root_id: actor.root_id(),
                    ..crate::stage::sealed::grant_head(manifest, &self.alice)
                };
                let to = proto::GrantTo { user_id: Some(self.alice.user), grant: B64(grant(&head, actor)) };
                request.json(&proto::Share { grants: vec![to] })
            }
            ("PUT", paths::MANIFEST) => {
                let manifest = self.manifest.as_ref().unwrap();
                let next = crate::files::sharing::renamed(manifest, actor);
                request.json(&proto::Rename { manifest: B64(next.as_bytes().to_vec()) })
            }
            ("PUT", paths::TERMS) => {
                let expires_at = stage.now() + 3_600;
                request.json(&proto::ChangeFile { expires_at, max_downloads: None })
            }
            ("PUT", paths::MY_GRANT) => {
                let head = GrantHead {
                    wrap: Wrap::XWing,
                    suite: Suite::Signed,
                    file_id: ids.file,
                    content_id: self.content.unwrap(),
                    recipient_id: actor.recipient_id(),
                    grantor_root_id: actor.root_id(),
                    min_revision: 1,
                    not_after: 0,
                };
                request.json(&ReplaceGrant { grant: B64(grant(&head, actor)) })
            }
            ("POST", paths::RECEIPT) => {
                let signed = action::receipt_bytes(ids.file, self.content.unwrap(), OPENED);
                let signature = B64(actor.root.sign(&[&context(RECEIPT), &signed]).to_vec());
                request.json(&PostReceipt { opened: OPENED, signature })
            }
            ("POST", paths::BOXES) => request.json(&crate::boxes::Made::new().request(stage, actor)),
            ("POST", paths::BOX_UPLOADS) => {
                self.into.keyed(request).json(&Parcel::new(1_000).begin_request())
            }
            ("GET" | "DELETE", paths::BOX_UPLOAD) => self.into.keyed(request),
            ("PUT", paths::BOX_PART) => {
                let part = self.parcel.part(0).to_vec();
                self.into.keyed(request).header(headers::NODE, node_of(&part).to_string()).body(part)
            }
            ("POST", paths::BOX_COMPLETE) => {
                self.into.keyed(request).json(&crate::boxes::unsigned(&self.parcel, &self.alice))
            }
            ("POST", paths::V0_OTP | paths::V0_OTP_ROOT) => request.json(&json!({ "email": actor.address })),
            ("POST", paths::V0_LOGIN | paths::V0_LOGIN_ROOT) => {
                request.json(&json!({ "email": actor.address, "otp": self.ready }))
            }
            ("POST", paths::V0_REFRESH | paths::V0_REFRESH_ROOT) => {
                request.json(&json!({ "refresh_token": self.ready }))
            }
            ("POST", paths::V0_UPLOAD | paths::V0_UPLOAD_ROOT) => request.json(&crate::v0::upload(&[])),
            ("POST", path) if crate::v0::takes_no_body(path) => request,
            ("POST", paths::LINK_NONCE | paths::STOP) => request,
            ("POST", paths::LINK_OPEN) => request.json(self.proof.as_ref().unwrap()),
            ("PUT", paths::LINK) => {
                request.json(&proto::ChangeLink { expires_at: None, max_downloads: Some(5) })
            }
            ("POST", paths::LINKS) => {
                let wish = crate::links::Made::new().request(self.manifest.as_ref().unwrap(), actor);
                request.json(&wish)
            }
            ("GET", paths::TREE | paths::LEAVES | paths::CONTENT) => match &self.ticket {
                Some(ticket) => request.header(headers::TICKET, ticket),
                None => request,
            },
            ("POST", paths::MEMBERS) => {
                let request = request.json(&proto::MembersRequest { ids: vec![ids.file] });
                match &self.ticket {
                    Some(ticket) => request.header(headers::TICKET, ticket),
                    None => request,
                }
            }
            ("POST", paths::LOGOUT | paths::OTHER_SESSIONS) => request.json(&json!({})),
            ("GET" | "DELETE", _) => request,
            (method, path) => panic!("the test knows no request for {method} {path}"),
        }
    }
}
