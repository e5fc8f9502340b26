//! What the server remembers between the two requests of a WebAuthn ceremony: a sealed row that is good once, for five
//! minutes, on every server that shares the database.

use db::CeremonyHash;
use envelope::ids::UserId;
use proto::limits::CEREMONY_SECONDS;
use proto::{B64, CeremonyBegun, Token};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use webauthn_rs::prelude::{DiscoverableAuthentication, PasskeyAuthentication, PasskeyRegistration};
use zeroize::Zeroizing;

use crate::error::{Answer, Refusal};
use crate::secrets::{PasskeyPlace, sha256};
use crate::state::App;

/// A ceremony that has begun. One kind is never ended as another.
#[derive(Serialize, Deserialize)]
pub(super) enum Ceremony {
    /// Somebody adds a passkey, in one session, who proved to hold the keys of the bundle of that number.
    Add {
        user: UserId,
        sid: [u8; 16],
        name: String,
        /// Servers of the version before do not write it.
        #[serde(default)]
        keys: Option<u32>,
        state: Box<PasskeyRegistration>,
    },
    /// Nobody known yet signs in.
    SignIn { state: Box<DiscoverableAuthentication> },
    /// A sign-in that has proved the mailbox shows its second factor.
    Second { half: [u8; 32], state: Box<PasskeyAuthentication> },
}

impl Ceremony {
    /// Remembers it, and tells the client how to go on.
    pub(super) async fn begin(&self, app: &App, options: Value) -> Answer<CeremonyBegun> {
        let token = Zeroizing::new(crate::random::bytes::<32>());
        let hash = hash_of(&token);
        let plain = Zeroizing::new(serde_json::to_vec(self).map_err(Refusal::internal)?);
        app.db
            .open_ceremony(db::Ceremony {
                hash,
                sealed: app.keys.seal_passkey(PasskeyPlace::Ceremony(hash), &plain),
                expires_at: app.time().plus(CEREMONY_SECONDS),
            })
            .await?;
        let ceremony = Token::new(B64(token.to_vec()).to_text());
        Ok(CeremonyBegun { ceremony, expires_in: CEREMONY_SECONDS, options })
    }

    /// Takes a ceremony out: it is over, whatever comes of it. `None` where there is none of this token.
    pub(super) async fn take(app: &App, token: &Token) -> Answer<Option<Self>> {
        let Ok(bytes) = B64::parse(token.expose_secret()).map(|bytes| Zeroizing::new(bytes.0)) else {
            return Ok(None);
        };
        let Ok(token) = <&[u8; 32]>::try_from(bytes.as_slice()) else { return Ok(None) };
        let hash = hash_of(token);
        let Some(sealed) = app.db.take_ceremony(hash, app.time()).await? else { return Ok(None) };
        // Sealed with another SECRET_KEY, or written by a version that said it otherwise: it is over.
        let plain = app.keys.open_passkey(PasskeyPlace::Ceremony(hash), sealed);
        Ok(plain.and_then(|plain| serde_json::from_slice(&plain).ok()))
    }
}

fn hash_of(token: &[u8; 32]) -> CeremonyHash {
    CeremonyHash::from_bytes(sha256(&[b"waxwing/v1/server/ceremony\0", token]))
}
