//! `wax keys generate --rsa`, `import`, `list`: RSA keys in files, and in one's own keys.

use super::keys::fingerprint;
use crate::app::App;
use crate::args::Bits;
use crate::console::{Tone, safe};
use crate::fault::Fault;
use crate::keyfile::{self, must_be_free, pair, read_private, shown};
use crate::keyring;
use client::{RecipientId, RsaBits, RsaPrivateKey, RsaPublicKey};
use envelope::{Wrap, grant};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// `{"private", "public", "bits", "recipient_id"}`.
#[derive(Serialize)]
struct GeneratedJson {
    private: String,
    public: String,
    #[serde(flatten)]
    key: KeyJson,
}

/// `{"file", "bits", "recipient_id", "added"}`.
#[derive(Serialize)]
struct ImportedJson {
    file: String,
    #[serde(flatten)]
    key: KeyJson,
    added: bool,
}

/// `{"fingerprint", "root_id", "xwing", "rsa": […]}`.
#[derive(Serialize)]
struct ListJson {
    fingerprint: String,
    root_id: String,
    /// The recipient id of the present X-Wing key.
    xwing: String,
    rsa: Vec<KeyJson>,
}

/// An RSA key, as every command tells it.
#[derive(Serialize)]
pub(super) struct KeyJson {
    bits: usize,
    recipient_id: String,
}

impl KeyJson {
    pub(super) fn of(key: &RsaPublicKey) -> Self {
        Self { bits: key.bits().bits(), recipient_id: key.recipient_id(None).to_string() }
    }
}

/// How a recipient id is told: its first 16 digits.
pub(super) fn short(id: RecipientId) -> String {
    id.to_string().chars().take(16).collect()
}

/// `RSA 3072, 0123456789abcdef`.
pub(super) fn described(key: &RsaPublicKey) -> String {
    format!("RSA {}, {}", key.bits().bits(), short(key.recipient_id(None)))
}

pub(super) fn generate(app: &App, bits: Bits, out: Option<PathBuf>, force: bool) -> Result<(), Fault> {
    let bits = match bits {
        Bits::B2048 => RsaBits::B2048,
        Bits::B3072 => RsaBits::B3072,
        Bits::B4096 => RsaBits::B4096,
    };
    let (private, public) = pair(&out.unwrap_or_else(|| format!("wax-rsa-{}", bits.bits()).into()));
    if !force {
        must_be_free(&private)?;
        must_be_free(&public)?;
    }
    let passphrase = keyring::new_passphrase(app, "waxwing")?;
    let key = RsaPrivateKey::generate(bits);
    keyfile::write(&private, &key.to_encrypted_pem(&passphrase), 0o600, force)?;
    keyfile::write(&public, &key.public().to_pem(), 0o644, force)?;
    let console = &app.console;
    if !console.json {
        let (private, public) = (shown(&private), shown(&public));
        console.say(format!("private  {}", console.paint(Tone::Bold, &private)))?;
        console.say(format!("public   {}", console.paint(Tone::Bold, &public)))?;
        console.say(format!("key      {}", described(key.public())))?;
        console
            .note(format!("hand {public} to people; they send to it with: wax send FILE --to-key {public}"));
        console.note(format!(
            "you fetch with: wax get ID --key {private}; or take it into your keys: wax keys import {private}"
        ));
        console
            .note("without the passphrase, or without the private file, nobody can open what was sent to it");
    }
    console.result(&GeneratedJson {
        private: private.display().to_string(),
        public: public.display().to_string(),
        key: KeyJson::of(key.public()),
    })
}

pub(super) fn import(app: &App, file: &Path, descriptor: Option<u32>) -> Result<(), Fault> {
    let session = app.session()?;
    let key = read_private(app, file, descriptor)?;
    let public = key.public().clone();
    let mut me = keyring::unlock_offline(app, &session)?;
    let added = session.run(session.client.add_rsa_key(&mut me, key))?;
    let name = shown(file);
    if added {
        app.console.note(format!("{name} is among your keys now; files for it open without --key"));
    } else {
        app.console.note(format!("{name} was among your keys already; nothing was changed"));
    }
    if !app.console.json {
        app.console.say(format!("key      {}", described(&public)))?;
    }
    app.console.result(&ImportedJson { file: file.display().to_string(), key: KeyJson::of(&public), added })
}

pub(super) fn list(app: &App) -> Result<(), Fault> {
    let session = app.session()?;
    let me = keyring::unlock_offline(app, &session)?;
    let root = me.root_id();
    let xwing = grant::recipient_id(Wrap::XWing, Some(root), me.xwing_public());
    let console = &app.console;
    if !console.json {
        console.say(safe(me.address().as_str()))?;
        console.say(format!("root     {}", console.paint(Tone::Bold, &fingerprint(root))))?;
        console.say(format!("key      X-Wing, {}", short(xwing)))?;
        for key in me.rsa_keys() {
            console.say(format!("key      {}", described(key)))?;
        }
    }
    console.result(&ListJson {
        fingerprint: fingerprint(root),
        root_id: root.to_string(),
        xwing: xwing.to_string(),
        rsa: me.rsa_keys().map(KeyJson::of).collect(),
    })
}
