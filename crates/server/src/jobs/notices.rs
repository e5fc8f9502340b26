//! Letters about files that others shared: what waited long enough is claimed and handed to the mailer.

use db::DueNotice;

use super::JobError;
use crate::database::in_time;
use crate::logging::chain;
use crate::mail::{Notice, NoticeLetter};
use crate::state::App;

/// How long the first file waits for others that go into the same letter.
pub(super) const WAIT_SECONDS: u32 = 60;
/// Between two letters to one person.
const PAUSE_SECONDS: u32 = 3_600;
/// Letters of one run, so that codes never wait long behind them.
const AT_ONCE: u32 = 20;

/// Claims what is due. Every server runs it; the database gives each letter to one of them.
pub(crate) async fn run(app: &App) -> Result<u64, JobError> {
    let due = in_time(app.db.claim_notices(app.time(), WAIT_SECONDS, PAUSE_SECONDS, AT_ONCE)).await?;
    let mut letters = 0;
    for notice in due {
        let Some(letter) = letter(app, notice).await? else { continue };
        letters += 1;
        let sender = app.clone();
        app.tasks.spawn(async move {
            let sent = sender.mailer.send_notice(letter).await;
            sender.metrics.letter(&sent);
            if let Err(error) = sent {
                tracing::warn!(cause = %chain(&error), "a letter about a shared file could not be sent");
            }
        });
    }
    Ok(letters)
}

async fn letter(app: &App, due: DueNotice) -> Result<Option<NoticeLetter>, JobError> {
    let Some(account) = in_time(app.db.account(due.user)).await? else { return Ok(None) };
    let Some(to) = app.keys.open_address(&account.lookup, account.sealed_address) else {
        tracing::error!("an address could not be opened; the letter is left out");
        return Ok(None);
    };
    Ok(Some(NoticeLetter {
        to,
        notice: Notice::Files { shared: due.shared, arrived: due.arrived },
        url: app.public.as_ref().map(|public| public.origin().to_owned()),
        written: app.now(),
    }))
}
