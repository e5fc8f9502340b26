//! One-time codes: six digits by mail, ten minutes, three tries.

use db::{NewCode, Redemption, SentCode};
use envelope::Address;
use proto::Code;
use proto::limits::{CODE_ATTEMPTS, CODE_DIGITS, CODE_SECONDS};
use zeroize::Zeroizing;

use crate::error::{Answer, Refusal};
use crate::limited::Limit;
use crate::logging::chain;
use crate::mail::CodeLetter;
use crate::state::App;

/// Codes and wrong tries of an address are counted together for an hour.
const WINDOW_SECONDS: u32 = 3_600;

/// Issues a code for an address and sends it in the background.
///
/// Nothing that the client can see, the time it takes included, depends on whether an account exists: where
/// sign-up is closed to a stranger, the same row is written and only the letter stays away.
pub(crate) async fn send(app: &App, address: Address) -> Answer<()> {
    let lookup = app.keys.lookup(&address);
    let code = Zeroizing::new(format!("{:06}", crate::random::below(1_000_000)));
    let known = !app.db.users_by_lookup(&[lookup]).await?.is_empty();
    // Asked of everybody, so that it takes everybody as long.
    let invited = app.db.is_invited(lookup, app.time()).await?;
    let admitted = known || invited || app.signup.admits(address.as_str());
    let limit = Limit { name: "codes", max: app.limits.codes_per_address, window_secs: WINDOW_SECONDS };
    let issued = app
        .db
        .issue_code(NewCode {
            lookup,
            mac: app.keys.code_mac(&lookup, &code),
            now: app.time(),
            expires_at: app.time().plus(CODE_SECONDS),
            window_secs: limit.window_secs,
            send_limit: limit.max,
            max_attempts: CODE_ATTEMPTS,
        })
        .await?;
    match issued {
        SentCode::Issued => {}
        SentCode::TooMany { retry_after_secs } => return Err(Refusal::too_many(limit, retry_after_secs)),
    }
    let (sender, written) = (app.clone(), app.now());
    app.tasks.spawn(async move {
        if !admitted {
            return;
        }
        let sent = sender.mailer.send_code(CodeLetter { to: address, code, written }).await;
        sender.metrics.letter(&sent);
        if let Err(error) = sent {
            tracing::error!(cause = %chain(&error), "a code could not be sent");
        }
    });
    Ok(())
}

/// Tries a code, which is used up if it is right.
pub(crate) async fn redeem(app: &App, address: &Address, code: &str) -> Answer<()> {
    let rejected =
        || Refusal::new(Code::CodeRejected, "The code is wrong, used, or too old. Ask for a new one.");
    if code.len() != CODE_DIGITS || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::malformed("A code has six digits."));
    }
    let lookup = app.keys.lookup(address);
    let mac = app.keys.code_mac(&lookup, code);
    match app.db.redeem_code(lookup, mac, CODE_ATTEMPTS, app.time()).await? {
        Redemption::Correct => Ok(()),
        Redemption::Wrong | Redemption::Void => Err(rejected()),
    }
}
