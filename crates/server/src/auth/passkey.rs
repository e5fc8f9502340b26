//! Passkeys (WebAuthn): added, listed, and shown in the place of the mail's code or as the second factor.
//!
//! Every one is asked for user verification (a PIN, a finger, a face), so it is two factors by itself, and every one is
//! made discoverable: whoever signs in by it says no address, so no answer can tell whether an address has an account.

use std::time::Duration;

use db::{AddPasskeyAnswer, NewPasskey, PasskeyId, StoredPasskey, UsedPasskey};
use envelope::ids::UserId;
use proto::limits::{CEREMONY_SECONDS, PASSKEY_NAME_MAX, PASSKEYS_MAX, SECOND_FACTOR_ATTEMPTS};
use proto::{
    CeremonyBegun, CeremonyEnd, Code, PasskeyAdded, PasskeyInfo, PasskeyList, PasskeySecondEnd, Token,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::{
    AuthenticationResult, Passkey, PublicKeyCredential, RegisterPublicKeyCredential, Webauthn,
    WebauthnBuilder, WebauthnError, WebauthnResult,
};
use zeroize::Zeroizing;

use super::caller::SignedIn;
use super::ceremony::Ceremony;
use super::factor;
use crate::audit::{self, Agent};
use crate::config::PublicUrl;
use crate::error::{Answer, Refusal};
use crate::secrets::PasskeyPlace;
use crate::state::App;

/// The name and origin that passkeys belong to, and what judges them.
pub(crate) struct RelyingParty(Webauthn);

impl RelyingParty {
    /// None where browsers know the server by a number.
    pub(crate) fn new(public: &PublicUrl) -> Option<Self> {
        let builder = WebauthnBuilder::new(public.domain()?, public.url()).ok()?;
        let patience = Duration::from_secs(CEREMONY_SECONDS.unsigned_abs());
        builder.rp_name("Waxwing").timeout(patience).build().ok().map(Self)
    }
}

/// Begins to add a passkey under a name, for somebody who [proved](factor::prove) to hold those keys.
pub(crate) async fn begin_to_add(
    app: &App,
    caller: &SignedIn,
    keys: Option<u32>,
    name: &str,
) -> Answer<CeremonyBegun> {
    let judge = judge(app)?;
    let name = legal_name(name)?;
    let known = app.db.passkeys_of(caller.user).await?;
    if known.len() >= PASSKEYS_MAX as usize {
        return Err(too_many());
    }
    let mut exclude = Vec::with_capacity(known.len());
    for stored in known {
        exclude.push(credential(app, &stored)?.cred_id().clone());
    }
    let address = factor::address(app, caller.user).await?;
    let handle = Uuid::from_bytes(*caller.user.as_bytes());
    let begun = judge.start_passkey_registration(handle, address.as_str(), address.as_str(), Some(exclude));
    let (options, state) = begun.map_err(Refusal::internal)?;
    let mut options = in_json(&options)?;
    // Without this a security key keeps no name of the account, and could not sign in by itself.
    if let Some(selection) = options.pointer_mut("/publicKey/authenticatorSelection") {
        selection["residentKey"] = json!("required");
        selection["requireResidentKey"] = json!(true);
    }
    let sid = *caller.sid.as_bytes();
    Ceremony::Add { user: caller.user, sid, name, keys, state: Box::new(state) }.begin(app, options).await
}

/// Adds the passkey. Where it is the first second factor, backup codes are laid out as well.
pub(crate) async fn add(app: &App, caller: &SignedIn, end: CeremonyEnd) -> Answer<PasskeyAdded> {
    let judge = judge(app)?;
    let credential: RegisterPublicKeyCredential = read(end.credential)?;
    factor::TRIES.count(app, caller.user.as_bytes()).await?;
    let nothing = || Refusal::new(Code::Conflict, "There is nothing to be confirmed. Begin again.");
    let Some(Ceremony::Add { user, sid, name, keys, state }) = Ceremony::take(app, &end.ceremony).await?
    else {
        return Err(nothing());
    };
    if user != caller.user || sid != *caller.sid.as_bytes() {
        return Err(nothing());
    }
    let passkey = judge.finish_passkey_registration(&credential, &state).map_err(|why| {
        tracing::debug!(cause = %why, "a new passkey was not accepted");
        rejected()
    })?;
    let id = PasskeyId::from_bytes(crate::random::uuid());
    let (codes, backup) = factor::backup_codes(app, user);
    let answer = app
        .db
        .add_passkey(NewPasskey {
            id,
            user,
            sid: caller.sid,
            credential: app.keys.credential_mac(passkey.cred_id()),
            sealed: sealed(app, user, id, &passkey)?,
            sealed_name: app.keys.seal_passkey(PasskeyPlace::Name(user, id), name.as_bytes()),
            keys,
            now: app.time(),
            most: PASSKEYS_MAX,
            backup,
        })
        .await?;
    match answer {
        AddPasskeyAnswer::Added { first } => {
            let passkey = PasskeyInfo { id: uuid_text(id), name, created: app.now(), last_used: None };
            Ok(PasskeyAdded { passkey, codes: if first { codes.codes } else { Vec::new() } })
        }
        AddPasskeyAnswer::TooMany => Err(too_many()),
        AddPasskeyAnswer::Known => Err(rejected()),
        AddPasskeyAnswer::Stale => Err(factor::keys_are_new()),
    }
}

/// The caller's passkeys.
pub(crate) async fn list(app: &App, user: UserId) -> Answer<PasskeyList> {
    let stored = app.db.passkeys_of(user).await?;
    let told = stored.into_iter().map(|stored| {
        let place = PasskeyPlace::Name(stored.user, stored.id);
        let name = app.keys.open_passkey(place, stored.sealed_name).ok_or_else(factor::unreadable)?;
        Ok(PasskeyInfo {
            id: uuid_text(stored.id),
            name: String::from_utf8_lossy(&name).into_owned(),
            created: stored.created_at.0,
            last_used: stored.last_used_at.map(|at| at.0),
        })
    });
    Ok(PasskeyList { passkeys: told.collect::<Answer<_>>()? })
}

/// Gives a passkey of the caller another name; says whether there is one.
pub(crate) async fn rename(app: &App, user: UserId, id: PasskeyId, name: &str) -> Answer<bool> {
    let name = legal_name(name)?;
    let sealed = app.keys.seal_passkey(PasskeyPlace::Name(user, id), name.as_bytes());
    Ok(app.db.rename_passkey(user, id, sealed).await?)
}

/// Begins a sign-in by a passkey alone. Nothing that is said or done here depends on anybody's account.
pub(crate) async fn begin_sign_in(app: &App) -> Answer<CeremonyBegun> {
    let (mut options, state) = judge(app)?.start_discoverable_authentication().map_err(Refusal::internal)?;
    // Whether it offers itself in a form or after a click is the page's affair.
    options.mediation = None;
    Ceremony::SignIn { state: Box::new(state) }.begin(app, in_json(&options)?).await
}

/// Judges a passkey that signs in by itself, and says whose session may be opened.
pub(crate) async fn sign_in(app: &App, end: CeremonyEnd, agent: &Agent) -> Answer<UserId> {
    let judge = judge(app)?;
    let shown: PublicKeyCredential = read(end.credential)?;
    let Some(Ceremony::SignIn { state }) = Ceremony::take(app, &end.ceremony).await? else {
        return Err(factor::over());
    };
    let (handle, id) = judge.identify_discoverable_authentication(&shown).map_err(|_| rejected())?;
    let stored = app.db.passkey(app.keys.credential_mac(id)).await?.ok_or_else(rejected)?;
    if stored.user.as_bytes() != handle.as_bytes() {
        return Err(rejected());
    }
    let user = stored.user;
    note_use(app, stored, &shown, agent, |passkey| {
        judge.finish_discoverable_authentication_v2(&shown, *state, passkey)
    })
    .await?;
    Ok(user)
}

/// Begins to show a passkey as the second factor of a sign-in that has proved the mailbox.
pub(crate) async fn begin_second(app: &App, token: &Token) -> Answer<CeremonyBegun> {
    let judge = judge(app)?;
    let half = factor::half_hash(token)?;
    let user = app.db.half(half, SECOND_FACTOR_ATTEMPTS, app.time()).await?.ok_or_else(factor::over)?;
    let stored = app.db.passkeys_of(user).await?;
    let passkeys = stored.iter().map(|stored| credential(app, stored)).collect::<Answer<Vec<_>>>()?;
    if passkeys.is_empty() {
        return Err(Refusal::new(
            Code::Conflict,
            "There is no passkey. Show a code of your app, or a backup code.",
        ));
    }
    let (options, state) = judge.start_passkey_authentication(&passkeys).map_err(Refusal::internal)?;
    let ceremony = Ceremony::Second { half: *half.as_bytes(), state: Box::new(state) };
    ceremony.begin(app, in_json(&options)?).await
}

/// Judges a passkey as the second factor of a sign-in, and says whose session may be opened.
pub(crate) async fn second(app: &App, end: PasskeySecondEnd, agent: &Agent) -> Answer<UserId> {
    let judge = judge(app)?;
    let shown: PublicKeyCredential = read(end.credential)?;
    let half = factor::half_hash(&end.token)?;
    let tried = app.db.try_half(half, SECOND_FACTOR_ATTEMPTS, app.time()).await?;
    let user = tried.ok_or_else(factor::over)?;
    factor::TRIES.count(app, user.as_bytes()).await?;
    let state = match Ceremony::take(app, &end.ceremony).await? {
        Some(Ceremony::Second { half: begun, state }) if begun == *half.as_bytes() => state,
        _ => return Err(rejected()),
    };
    let stored = app.db.passkey(app.keys.credential_mac(shown.get_credential_id())).await?;
    let stored = stored.filter(|stored| stored.user == user).ok_or_else(rejected)?;
    if shown.get_user_unique_id().is_some_and(|handle| handle != user.as_bytes()) {
        return Err(rejected());
    }
    note_use(app, stored, &shown, agent, |_| judge.finish_passkey_authentication(&shown, &state)).await?;
    if app.db.end_half(half).await? { Ok(user) } else { Err(factor::over()) }
}

/// Judges what a passkey signed and keeps what it counted; of two who show one count, one comes in.
async fn note_use(
    app: &App,
    stored: StoredPasskey,
    shown: &PublicKeyCredential,
    agent: &Agent,
    judge: impl FnOnce(&Passkey) -> WebauthnResult<AuthenticationResult>,
) -> Answer<()> {
    let (user, id) = (stored.user, stored.id);
    if is_framed(shown) {
        return Err(refused(app, user, agent, &WebauthnError::CredentialCrossOrigin));
    }
    let mut passkey = credential(app, &stored)?;
    let result = match judge(&passkey) {
        Ok(result) if result.user_verified() => result,
        Ok(_) => return Err(refused(app, user, agent, &WebauthnError::UserNotVerified)),
        Err(why) => return Err(refused(app, user, agent, &why)),
    };
    passkey.update_credential(&result);
    let used = UsedPasskey {
        id,
        sealed: sealed(app, user, id, &passkey)?,
        counter: result.counter(),
        now: app.time(),
    };
    if app.db.use_passkey(used).await? {
        Ok(())
    } else {
        Err(refused(app, user, agent, &WebauthnError::CredentialPossibleCompromise))
    }
}

/// Whether a frame in a page of another site asked for the passkey, or it is not clear that none did. The library looks
/// at this where a passkey is added, and not where one is shown.
fn is_framed(shown: &PublicKeyCredential) -> bool {
    #[derive(Deserialize)]
    struct Said {
        #[serde(rename = "crossOrigin")]
        cross_origin: Option<bool>,
    }
    let said = serde_json::from_slice::<Said>(&shown.response.client_data_json);
    said.map_or(true, |said| said.cross_origin.unwrap_or(false))
}

fn refused(app: &App, user: UserId, agent: &Agent, why: &WebauthnError) -> Refusal {
    if matches!(why, WebauthnError::CredentialPossibleCompromise) {
        tracing::warn!(%user, "a passkey did not count on: it may have been copied, and was refused");
    } else {
        tracing::debug!(%user, cause = %why, "a passkey was not accepted");
    }
    audit::passkey_rejected(app, user, agent);
    rejected()
}

fn judge(app: &App) -> Answer<&Webauthn> {
    app.relying.as_ref().map(|relying| &relying.0).ok_or_else(|| {
        Refusal::new(
            Code::NotOffered,
            "This server offers no passkeys, because it does not know the name under which browsers reach it. Its \
             operator has to set PUBLIC_URL, with a name and not a number.",
        )
    })
}

/// All that is wrong with a passkey looks the same.
fn rejected() -> Refusal {
    Refusal::new(Code::PasskeyRejected, "The passkey was not accepted. Begin again.")
}

fn too_many() -> Refusal {
    Refusal::new(Code::Conflict, format!("There are {PASSKEYS_MAX} passkeys already. Remove one first."))
}

fn legal_name(name: &str) -> Answer<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > PASSKEY_NAME_MAX || name.chars().any(char::is_control) {
        return Err(Refusal::malformed("A name has 1 to 64 printable characters."));
    }
    Ok(name.to_owned())
}

fn credential(app: &App, stored: &StoredPasskey) -> Answer<Passkey> {
    let place = PasskeyPlace::Credential(stored.user, stored.id);
    let plain = app.keys.open_passkey(place, stored.sealed.clone()).ok_or_else(factor::unreadable)?;
    serde_json::from_slice(&plain).map_err(Refusal::internal)
}

fn sealed(app: &App, user: UserId, id: PasskeyId, passkey: &Passkey) -> Answer<Vec<u8>> {
    let plain = Zeroizing::new(serde_json::to_vec(passkey).map_err(Refusal::internal)?);
    Ok(app.keys.seal_passkey(PasskeyPlace::Credential(user, id), &plain))
}

fn read<T: DeserializeOwned>(credential: Value) -> Answer<T> {
    // The parser's own words could repeat what the credential says.
    serde_json::from_value(credential).map_err(|_| {
        Refusal::malformed("The credential is not what an authenticator gives, in its JSON form.")
    })
}

fn in_json(options: &impl Serialize) -> Answer<Value> {
    serde_json::to_value(options).map_err(Refusal::internal)
}

fn uuid_text(id: PasskeyId) -> String {
    Uuid::from_bytes(*id.as_bytes()).to_string()
}
