//! What a cell of the table is played on: people, and what the request needs to be there.

use envelope::action::FactorChange;
use envelope::grant::GrantHead;
use envelope::{ContentId, Manifest, RecipientId, Wrap};
use proto::{B64, Batch, BatchFile, BatchReply, FileId, GrantTo, SessionList, UserId, paths};
use serde_json::{Value, json};

use super::role::Role;
use super::table::Row;
use crate::auth::{factor, passkey};
use crate::stage::authenticator::Authenticator;
use crate::stage::person::Root;
use crate::stage::sealed::{file_id, grant, grant_head};
use crate::stage::{Parcel, Person, Stage};

/// What the fields of a path are filled with.
#[derive(Clone)]
pub(super) struct Ids {
    pub(super) file: FileId,
    pub(super) user: UserId,
    pub(super) key: RecipientId,
    pub(super) session: String,
    pub(super) passkey: String,
    pub(super) link: envelope::LinkId,
    pub(super) into: envelope::BoxId,
}

impl Ids {
    /// Ids of nothing that there is.
    pub(super) fn of_nothing() -> Self {
        let bytes = *file_id().as_bytes();
        Self {
            file: file_id(),
            user: UserId::from_bytes(bytes),
            key: RecipientId::from_bytes([9; 32]),
            session: file_id().to_string(),
            passkey: file_id().to_string(),
            link: envelope::LinkId::from_bytes(*file_id().as_bytes()),
            into: envelope::BoxId::from_bytes(*file_id().as_bytes()),
        }
    }
}

pub(super) struct Scene<'s> {
    pub(super) stage: &'s Stage,
    /// Where the request goes.
    pub(super) url: String,
    pub(super) alice: Person,
    /// Who asks, and with which root key.
    pub(super) actor: Person,
    /// What they ask with.
    pub(super) token: Option<String>,
    pub(super) ids: Ids,
    /// Alice's file, or her unfinished upload.
    pub(super) parcel: Parcel,
    pub(super) content: Option<ContentId>,
    pub(super) manifest: Option<Manifest>,
    /// A link to Alice's file, and what is to be shown to open it.
    pub(super) link: crate::links::Made,
    pub(super) proof: Option<proto::OpenLink>,
    /// A drop box of Alice's, and what a visitor shows for an upload into it.
    pub(super) into: crate::boxes::Made,
    pub(super) ticket: Option<String>,
    /// A code of an app, or what else was made ready for the request.
    pub(super) ready: String,
    /// The bundle that Alice's keys are to be replaced by.
    pub(super) wish: Option<envelope::Bundle>,
    role: Role,
}

impl<'s> Scene<'s> {
    /// `n` keeps the people of one cell apart from those of all others.
    pub(super) async fn new(stage: &'s Stage, strict: &str, row: &Row, role: Role, n: usize) -> Self {
        let address = |name: &str| format!("{name}-{n}@wax.example");
        let alice = Person::with_bundle(stage, &address("alice")).await;
        let of_v0 = crate::v0::is_path(&row.path);
        let with_file = (row.path.contains("/files/{") && !of_v0)
            || row.path.contains("/content/{")
            || row.path.contains("/v1/links");
        // Nobody who is not needed: most of the time of this test goes into people.
        let mut bob = None;
        if role == Role::Recipient || row.path == paths::GRANT {
            bob = Some(Person::with_bundle(stage, &address("bob")).await);
        }
        let mut carol = None;
        if role == Role::Revoked {
            carol = Some(Person::with_bundle(stage, &address("carol")).await);
        }
        let actor = match role {
            // Even what the owner has signed is of no use without a token.
            Role::Nobody => alice.clone(),
            Role::Other => Person::with_bundle(stage, &address("dave")).await,
            Role::Recipient => bob.clone().unwrap(),
            Role::Revoked => carol.clone().unwrap(),
            Role::Owner | Role::Mailbox | Role::Factorless | Role::Suspended | Role::Erased => {
                let session = stage.sign_in(&alice.address).await;
                let token = session.access_token.expose_secret().to_owned();
                let root = if role == Role::Mailbox { Root::generate() } else { alice.root.clone() };
                Person { token, root, ..alice.clone() }
            }
        };
        let mut scene = Self {
            stage,
            url: if role == Role::Factorless { strict.to_owned() } else { stage.url.clone() },
            token: (role != Role::Nobody).then(|| actor.token.clone()),
            ids: Ids { user: alice.user, ..Ids::of_nothing() },
            parcel: Parcel::new(1_000),
            alice,
            actor,
            content: None,
            manifest: None,
            link: crate::links::Made::new(),
            proof: None,
            into: crate::boxes::Made::new(),
            ticket: None,
            ready: String::new(),
            wish: None,
            role,
        };
        if with_file {
            scene.send_file(bob.as_ref(), carol.as_ref()).await;
        }
        scene.prepare(row).await;
        scene.end_account().await;
        scene
    }

    /// What was made ready was made before.
    async fn end_account(&self) {
        let (user, now) = (self.alice.user, db::UnixTime(self.stage.now()));
        match self.role {
            Role::Suspended => {
                self.stage.database().await.suspend(user, now, &[]).await.unwrap();
            }
            Role::Erased => {
                let lookup = db::Lookup::from_bytes(crate::stage::sealed::random(32).try_into().unwrap());
                let erase = db::Erase { user, lookup, now, events: Vec::new() };
                assert!(self.stage.database().await.erase_account(erase).await.unwrap());
            }
            _ => {}
        }
    }

    async fn prepare(&mut self, row: &Row) {
        let (stage, alice) = (self.stage, self.alice.clone());
        match row.path.as_str() {
            paths::UPLOAD | paths::PART | paths::PART_DIRECT | paths::COMPLETE => {
                self.parcel.begin(stage, &alice).await;
                if row.path == paths::COMPLETE {
                    self.parcel.put_all(stage, &alice).await;
                }
                self.ids.file = self.parcel.file_id;
            }
            path if path.contains("/v1/boxes/") => {
                let request = self.into.request(stage, &alice);
                alice.post(stage, paths::BOXES, &request).await.json::<proto::BoxInfo>();
                self.ids.into = self.into.id;
                if path.contains("/uploads/") {
                    self.into.begin(stage, &self.parcel).await.json::<proto::UploadStatus>();
                    self.ids.file = self.parcel.file_id;
                }
                if path == paths::BOX_COMPLETE {
                    self.into.put(stage, &self.parcel, 0).await.json::<proto::PartRecord>();
                }
            }
            path if path.contains("/v1/links/") => {
                let request = self.link.request(self.manifest.as_ref().unwrap(), &alice);
                alice.post(stage, paths::LINKS, &request).await.json::<proto::LinkInfo>();
                self.ids.link = self.link.id;
                self.proof = Some(self.link.proof(&self.link.nonce(stage).await));
            }
            path if path.contains("/files/{") && crate::v0::is_path(path) => {
                let to = (self.role == Role::Recipient).then_some(self.actor.address.as_str());
                self.ids.file = crate::v0::send(stage, &alice, to.as_slice()).await;
            }
            paths::V0_LOGIN | paths::V0_LOGIN_ROOT => {
                self.ready = stage.code_for(&self.actor.address).await;
            }
            paths::V0_REFRESH | paths::V0_REFRESH_ROOT => {
                self.ready = crate::v0::sign_in(stage, &self.actor.address).await.refresh_token;
            }
            paths::PINS if row.method == "GET" => {
                let record = crate::pins::record(alice.user, 1, &alice);
                crate::stage::sealed::assert_gone(&crate::pins::put(stage, &alice, 0, record).await);
            }
            paths::RESET_STOP => {
                let bundle = crate::directory::reset::wish(&self.alice);
                crate::directory::reset::ask(stage, &alice, &bundle).await;
                self.wish = Some(bundle);
            }
            paths::VAULT | paths::VAULT_REMOVE if row.method != "PUT" => {
                crate::vault::keep(stage, &alice, 1).await;
            }
            paths::ONE_SESSION => {
                let list: SessionList = alice.get(stage, paths::SESSIONS).await.json();
                let own = list.sessions.into_iter().find(|session| session.current).unwrap();
                self.ids.session = own.id;
            }
            paths::GRANT if row.about == "the owner's" => self.ids.user = alice.user,
            paths::SESSION => self.ready = stage.code_for(&self.actor.address).await,
            paths::REFRESH => {
                let session = stage.sign_in(&self.actor.address).await;
                self.ready = session.refresh_token.expose_secret().to_owned();
            }
            paths::TOTP_CONFIRM => {
                let request = factor::proof(stage, &self.actor, FactorChange::Add);
                let offered = self.actor.post(stage, paths::TOTP, &request).await;
                self.ready = match offered.status.is_success() {
                    true => factor::shown(stage, &offered.json(), 0),
                    // Whoever cannot begin has nothing to confirm.
                    false => "000000".to_owned(),
                };
            }
            paths::TOTP_REMOVE | paths::BACKUP_CODES => {
                // Who has the mailbox alone came in before there was an app; so did a session without a factor.
                let enrolled = match self.role {
                    Role::Mailbox | Role::Factorless => &alice,
                    _ => &self.actor,
                };
                factor::enrol(stage, enrolled).await;
            }
            paths::PASSKEYS_FINISH => {
                let wish = passkey::named(stage, &self.actor, "laptop");
                let begun = self.actor.post(stage, paths::PASSKEYS, &wish).await;
                let begun = match begun.status.is_success() {
                    true => begun.json(),
                    // Whoever cannot begin has nothing to confirm.
                    false => passkey::never_begun(),
                };
                let (_, credential) = Authenticator::create(&begun.options, &self.url, passkey::honest);
                self.ready = passkey::end(&begun, &credential).to_string();
            }
            paths::ONE_PASSKEY | paths::PASSKEY_REMOVE => {
                let owner = if self.role == Role::Owner { &self.actor } else { &alice };
                self.ids.passkey = passkey::add(stage, owner, "laptop").await.1.passkey.id;
            }
            paths::PASSKEY_SESSION | paths::SECOND_PASSKEY | paths::SECOND_PASSKEY_FINISH => {
                self.ready = self.with_passkey(row, &alice).await.to_string();
            }
            paths::SECOND => {
                let enrolled = if self.role == Role::Mailbox { &alice } else { &self.actor };
                let (secret, _) = factor::enrol(stage, enrolled).await;
                let code = stage.code_for(&enrolled.address).await;
                let half = stage.redeem(&enrolled.address, &code).await.json::<Value>();
                let token = &half["second_factor"]["token"];
                // Who has the mailbox alone does not have the app: this step was used to confirm it.
                let steps = if self.role == Role::Mailbox { 0 } else { 1 };
                let code = factor::shown(stage, &secret, steps);
                self.ready = json!({ "token": token, "code": code }).to_string();
            }
            _ => {}
        }
    }

    /// What is shown of a passkey. Who has the mailbox alone has another one than the owner.
    async fn with_passkey(&self, row: &Row, alice: &Person) -> Value {
        let stage = self.stage;
        let enrolled = if self.role == Role::Mailbox { alice } else { &self.actor };
        let (mut authenticator, _) = passkey::add(stage, enrolled, "laptop").await;
        if self.role == Role::Mailbox {
            let begun = passkey::never_begun();
            (authenticator, _) = Authenticator::create(&begun.options, &self.url, passkey::honest);
            authenticator.handle = alice.user.as_bytes().to_vec();
        }
        if row.path == paths::PASSKEY_SESSION {
            let begun = passkey::begin(stage).await;
            let credential = authenticator.sign(&begun.options, &self.url, passkey::honest);
            return passkey::end(&begun, &credential);
        }
        let half = passkey::half(stage, &enrolled.address).await;
        let token = json!(half.token.expose_secret());
        if row.path == paths::SECOND_PASSKEY {
            return json!({ "token": token });
        }
        let begun = passkey::begin_second(stage, &half).await;
        let credential = authenticator.sign(&begun.options, &self.url, passkey::honest);
        let mut body = passkey::end(&begun, &credential);
        body["token"] = token;
        body
    }

    /// Alice's file for Bob, for Carol until it is taken back, and for a bare key; and a ticket for whoever got one.
    async fn send_file(&mut self, bob: Option<&Person>, carol: Option<&Person>) {
        let (stage, alice, parcel) = (self.stage, &self.alice, &self.parcel);
        let to: Vec<&Person> = bob.into_iter().chain(carol).collect();
        let mut complete = parcel.complete_request(alice, &to);
        let manifest = Manifest::parse(complete.manifest.0.as_slice()).unwrap();
        let key = RecipientId::from_bytes([7; 32]);
        let head = GrantHead { wrap: Wrap::RsaOaep, recipient_id: key, ..grant_head(&manifest, alice) };
        complete.grants.push(GrantTo { user_id: None, grant: B64(grant(&head, alice)) });
        let file = BatchFile { file_id: parcel.file_id, body: B64(parcel.body.clone()), complete };
        alice.post(stage, paths::BATCH, &Batch { files: vec![file] }).await.json::<BatchReply>();
        if matches!(
            self.role,
            Role::Recipient | Role::Revoked | Role::Owner | Role::Mailbox | Role::Suspended | Role::Erased
        ) {
            self.ticket = Some(parcel.ticket(stage, &self.actor).await);
        }
        if self.role == Role::Other {
            // A good ticket, for a file of their own.
            let own = Parcel::new(1_000);
            own.send(stage, &self.actor, &[]).await;
            self.ticket = Some(own.ticket(stage, &self.actor).await);
        }
        if let Some(carol) = carol {
            let grant = paths::fill(paths::GRANT, &[&parcel.file_id, &carol.user]);
            crate::stage::sealed::assert_gone(&alice.delete(stage, &grant).await);
        }
        let user = bob.map_or(self.ids.user, |bob| bob.user);
        self.ids = Ids { file: parcel.file_id, user, key, ..self.ids.clone() };
        self.content = Some(manifest.content_id());
        self.manifest = Some(manifest);
    }
}
