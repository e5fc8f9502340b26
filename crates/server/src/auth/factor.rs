//! The second factor: an authenticator app (RFC 6238) or a backup code; passkeys stand beside it.

use db::{ConfirmTotp, FactorsSet, HalfHash, HalfSignIn, OfferAnswer, OfferTotp};
use envelope::Address;
use envelope::action::{FactorChange, SECOND_FACTOR, factor_bytes};
use envelope::ids::UserId;
use proto::limits::{BACKUP_CODES, SECOND_FACTOR_ATTEMPTS, SECOND_FACTOR_SECONDS};
use proto::{B64, BackupCodes, Code, FactorProof, SecondFactor, Token, TotpSecret};
use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

use super::caller::SignedIn;
use super::proof;
use crate::audit::{self, Agent};
use crate::error::{Answer, Refusal};
use crate::limited::Limit;
use crate::secrets::sha256;
use crate::state::App;

/// Wrong and right second factors of one account, over all its sign-ins.
pub(super) const TRIES: Limit = Limit::hourly("second-factor", 20);
/// Letters and digits that nobody takes for one another: 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Characters of a backup code: 60 bits, which nobody guesses at the rate above.
const BACKUP_LEN: usize = 12;

/// Begins the second half of a sign-in.
pub(crate) async fn ask(app: &App, user: UserId, set: FactorsSet) -> Answer<SecondFactor> {
    let token = Zeroizing::new(crate::random::bytes::<32>());
    app.db
        .open_half(HalfSignIn {
            hash: hash_of(&token),
            user,
            expires_at: app.time().plus(SECOND_FACTOR_SECONDS),
        })
        .await?;
    Ok(SecondFactor {
        token: Token::new(B64(token.to_vec()).to_text()),
        expires_in: SECOND_FACTOR_SECONDS,
        app: set.app,
        passkeys: set.passkeys > 0,
    })
}

/// Judges the second factor of a sign-in and says whose session may be opened.
pub(crate) async fn show(app: &App, token: &Token, code: &str, agent: &Agent) -> Answer<UserId> {
    let hash = half_hash(token)?;
    let tried = app.db.try_half(hash, SECOND_FACTOR_ATTEMPTS, app.time()).await?;
    let user = tried.ok_or_else(over)?;
    if !is_right(app, user, code).await? {
        audit::factor_rejected(app, user, agent).await?;
        let detail = "That is not the code of your authenticator app, and none of your backup codes.";
        return Err(Refusal::new(Code::CodeRejected, detail));
    }
    // Of two who show two right codes at once, one opens a session.
    if app.db.end_half(hash).await? { Ok(user) } else { Err(over()) }
}

/// A sign-in whose second half does not exist, or not any more.
pub(super) fn over() -> Refusal {
    Refusal::new(Code::SignInNeeded, "This sign-in is over. Begin again.")
}

/// A session that was opened before there was a second factor has not shown it.
pub(crate) async fn strong(app: &App, caller: &SignedIn) -> Answer<()> {
    if caller.strong || !app.db.factors_of(caller.user).await?.is_any() {
        return Ok(());
    }
    let detail = "This session has not shown your second factor. Sign in again, with it.";
    Err(Refusal::new(Code::SecondFactorNeeded, detail))
}

/// Makes a secret and offers it to whoever [proved](prove) to hold those keys; it counts once [`confirm`] has seen a code of it.
pub(crate) async fn offer(app: &App, caller: &SignedIn, keys: Option<u32>) -> Answer<TotpSecret> {
    let user = caller.user;
    let secret = Zeroizing::new(crate::random::bytes::<20>());
    if !app.db.factors_of(user).await?.app {
        strong(app, caller).await?;
    }
    let offer = OfferTotp { user, sealed: app.keys.seal_factor(user, &secret), keys, now: app.time() };
    match app.db.offer_totp(offer).await? {
        OfferAnswer::Offered => {}
        OfferAnswer::Confirmed => {
            let detail = "There is an authenticator app already. Remove it first.";
            return Err(Refusal::new(Code::Conflict, detail));
        }
        OfferAnswer::Stale => return Err(keys_are_new()),
    }
    let address = address(app, user).await?;
    let totp = totp(&secret, Some(&address))?;
    let uri = totp.to_url().map_err(Refusal::internal)?;
    Ok(TotpSecret { secret: Token::new(totp.secret().to_base32()), uri: Token::new(uri) })
}

/// Keys were published while a second factor was being added: whoever adds it has not shown that they hold them.
pub(super) fn keys_are_new() -> Refusal {
    Refusal::new(Code::Conflict, "Your keys were published meanwhile. Nothing was changed; begin again.")
}

/// Confirms the offered secret by a code of it and lays out backup codes.
pub(crate) async fn confirm(app: &App, caller: &SignedIn, code: &str) -> Answer<BackupCodes> {
    TRIES.count(app, caller.user.as_bytes()).await?;
    // Since it was offered a passkey may have come, and this session has not shown it.
    strong(app, caller).await?;
    let nothing = || Refusal::new(Code::Conflict, "There is nothing to be confirmed. Begin again.");
    let offered = app.db.totp(caller.user).await?.filter(|totp| !totp.confirmed).ok_or_else(nothing)?;
    let secret = app.keys.open_factor(caller.user, offered.sealed.clone()).ok_or_else(unreadable)?;
    let step = step_of(app, &secret, code)?
        .ok_or_else(|| Refusal::new(Code::CodeRejected, "That is not the code that the app shows now."))?;
    let (codes, backup) = backup_codes(app, caller.user);
    let confirmed = ConfirmTotp { user: caller.user, sid: caller.sid, sealed: offered.sealed, step, backup };
    if app.db.confirm_totp(confirmed).await? { Ok(codes) } else { Err(nothing()) }
}

/// Lays out new backup codes in the place of the old ones.
pub(crate) async fn renew_backup_codes(app: &App, user: UserId) -> Answer<BackupCodes> {
    let (codes, macs) = backup_codes(app, user);
    if app.db.replace_backup_codes(user, &macs).await? {
        Ok(codes)
    } else {
        Err(Refusal::new(Code::Conflict, "There is no second factor that they could stand in for."))
    }
}

/// Checks that whoever holds the root key asked for a change. Accounts without published keys have none to show.
pub(crate) async fn prove(
    app: &App,
    user: UserId,
    change: FactorChange,
    proof: Option<FactorProof>,
) -> Answer<Option<u32>> {
    let bytes = |time| factor_bytes(&user, time, change).to_vec();
    proof::timed(app, user, SECOND_FACTOR, proof, bytes, "Changing the second factor").await
}

/// Uses a code up, whichever kind it is; counted for the account before it is looked at.
async fn is_right(app: &App, user: UserId, code: &str) -> Answer<bool> {
    TRIES.count(app, user.as_bytes()).await?;
    let plain = Zeroizing::new(plain(code));
    if plain.len() == 6 && plain.bytes().all(|byte| byte.is_ascii_digit()) {
        let Some(totp) = app.db.totp(user).await?.filter(|totp| totp.confirmed) else { return Ok(false) };
        let secret = app.keys.open_factor(user, totp.sealed).ok_or_else(unreadable)?;
        let Some(step) = step_of(app, &secret, &plain)? else { return Ok(false) };
        return Ok(app.db.use_totp_step(user, step).await?);
    }
    if plain.len() != BACKUP_LEN {
        return Ok(false);
    }
    Ok(app.db.use_backup_code(user, app.keys.backup_mac(user, &plain)).await?)
}

/// The step whose code this is: the present one or one of its neighbours.
fn step_of(app: &App, secret: &[u8; 20], code: &str) -> Answer<Option<u64>> {
    let now = u64::try_from(app.now()).unwrap_or(0);
    Ok(totp(secret, None)?.check(&plain(code), now))
}

fn totp(secret: &[u8; 20], address: Option<&Address>) -> Answer<Totp> {
    let mut builder = Builder::new().with_secret(Secret::new_stack(*secret)).with_issuer(Some("Waxwing"));
    if let Some(address) = address {
        builder = builder.with_account_name(address.as_str());
    }
    builder.build().map_err(Refusal::internal)
}

/// A code as people copy it: without blanks and dashes, in small letters.
fn plain(code: &str) -> String {
    let kept = code.chars().filter(|c| !c.is_whitespace() && *c != '-').take(64);
    kept.map(|c| c.to_ascii_lowercase()).collect()
}

/// The address of an account.
pub(super) async fn address(app: &App, user: UserId) -> Answer<Address> {
    let account = app.db.account(user).await?.ok_or_else(Refusal::not_found)?;
    app.keys.open_address(&account.lookup, account.sealed_address).ok_or_else(unreadable)
}

/// Fresh backup codes, and what is kept of them.
pub(super) fn backup_codes(app: &App, user: UserId) -> (BackupCodes, Vec<db::CodeMac>) {
    let (mut codes, mut macs) = (Vec::new(), Vec::new());
    for _ in 0..BACKUP_CODES {
        let random = Zeroizing::new(crate::random::bytes::<BACKUP_LEN>());
        let code: Zeroizing<String> =
            Zeroizing::new(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect());
        macs.push(app.keys.backup_mac(user, &code));
        codes.push(Token::new(format!("{}-{}-{}", &code[..4], &code[4..8], &code[8..])));
    }
    (BackupCodes { codes }, macs)
}

/// What the token of a sign-in is found by; a text that is no token continues nothing.
pub(super) fn half_hash(token: &Token) -> Answer<HalfHash> {
    let token = B64::parse(token.expose_secret()).map(|bytes| Zeroizing::new(bytes.0)).map_err(|_| over())?;
    let token: &[u8; 32] = token.as_slice().try_into().map_err(|_| over())?;
    Ok(hash_of(token))
}

fn hash_of(token: &[u8; 32]) -> HalfHash {
    HalfHash::from_bytes(sha256(&[b"waxwing/v1/server/half-sign-in\0", token]))
}

/// A row was sealed with another `SECRET_KEY` than today's.
#[derive(Debug, thiserror::Error)]
#[error("a sealed row of an account does not open: SECRET_KEY is not the one it was sealed with")]
struct Unreadable;

pub(super) fn unreadable() -> Refusal {
    Refusal::internal(Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238, appendix B, and its codes (the last six of eight digits).
    #[test]
    fn codes_are_those_of_rfc_6238() {
        let totp = totp(b"12345678901234567890", None).unwrap();
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(totp.check(code, time), Some(time / 30), "{time}");
            assert_eq!(totp.check(code, time + 30), Some(time / 30), "one step late");
            assert_eq!(totp.check(code, time + 61), None, "two steps late");
        }
    }

    #[test]
    fn codes_are_read_as_people_copy_them() {
        assert_eq!(plain(" ABCD-efgh 2345\n"), "abcdefgh2345");
        assert_eq!(plain("123 456"), "123456");
        assert_eq!(plain(&"x".repeat(1000)).len(), 64);
    }
}
