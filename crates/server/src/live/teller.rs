//! What one connection is told, from its cursor to its end.

use std::time::Duration;

use db::{Happening, HappeningKind};
use proto::live::{SESSION_ENDED, STOPPING, TOKEN_ENDED};
use proto::{LiveEvent, LiveKind};

use super::Place;
use super::outlet::{Gone, Outlet};
use crate::auth::SignedIn;
use crate::error::Answer;
use crate::state::App;

/// Between two heartbeats; the session is asked for with each.
const BEAT: Duration = Duration::from_secs(20);
/// Rows of one page.
const PAGE: u32 = 100;

/// One connection that watches.
pub(crate) struct Watching {
    pub(crate) caller: SignedIn,
    pub(crate) place: Place,
    /// Everything up to this number was told.
    pub(crate) after: u64,
    /// Whether that is not what the other end asked for.
    pub(crate) restarted: bool,
}

impl Watching {
    fn event(&self, kind: LiveKind, what: Option<&str>) -> LiveEvent {
        LiveEvent { cursor: self.after.to_string(), kind, file_id: None, what: what.map(str::to_owned) }
    }
}

/// Why a connection ends.
enum End {
    Gone,
    Because(&'static str),
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// Tells everything, until one of the two ends.
pub(crate) async fn tell(app: App, mut watching: Watching, mut outlet: impl Outlet) {
    let end = until_the_end(&app, &mut watching, &mut outlet).await;
    if let End::Because(why) = end {
        let event = watching.event(LiveKind::Ended, Some(why));
        outlet.end(&event).await;
    }
}

async fn until_the_end(app: &App, watching: &mut Watching, outlet: &mut impl Outlet) -> End {
    match all(app, watching, outlet).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

enum Never {}

async fn all(app: &App, watching: &mut Watching, outlet: &mut impl Outlet) -> Result<Never, End> {
    let first = if watching.restarted { LiveKind::Restarted } else { LiveKind::Begun };
    outlet.tell(&watching.event(first, None)).await?;
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + BEAT, BEAT);
    loop {
        watching.place.bell.borrow_and_update();
        // Asked before anything is told, every time: what ended tells nothing more.
        let left = watching.caller.ends - app.now();
        if left <= 0 {
            return Err(End::Because(TOKEN_ENDED));
        }
        let (lives, page) = match look(app, watching).await {
            Ok(looked) => looked,
            Err(refusal) => {
                tracing::warn!(cause = %refusal, "a connection that watches could not be served");
                return Err(End::Because(STOPPING));
            }
        };
        if !lives {
            return Err(End::Because(SESSION_ENDED));
        }
        let is_full = page.len() >= PAGE as usize;
        for happening in page {
            watching.after = happening.seq;
            outlet.tell(&told(happening)).await?;
        }
        if is_full {
            continue;
        }
        let left = Duration::from_secs(left.unsigned_abs());
        tokio::select! {
            biased;
            () = app.live.stop.cancelled() => return Err(End::Because(STOPPING)),
            () = outlet.gone() => return Err(End::Gone),
            // The sender lives as long as the place.
            _ = watching.place.bell.changed() => {}
            () = tokio::time::sleep(left) => {}
            _ = beat.tick() => outlet.beat().await?,
        }
    }
}

/// Whether the session lives, and what is new. In this order: what was read before a session ended is not told after.
async fn look(app: &App, watching: &Watching) -> Answer<(bool, Vec<Happening>)> {
    let page = app.db.happenings_of(watching.caller.user, watching.after, PAGE).await?;
    let session = app.db.session(watching.caller.sid, app.time()).await?;
    let lives = session.is_some_and(|session| {
        session.user == watching.caller.user && (session.strong || !app.second_factor.is_demanded())
    });
    Ok((lives, page))
}

fn told(happening: Happening) -> LiveEvent {
    let (kind, what) = match happening.kind {
        HappeningKind::FileArrived => (LiveKind::FileArrived, None),
        HappeningKind::FileChanged => (LiveKind::FileChanged, None),
        HappeningKind::FileGone => (LiveKind::FileGone, None),
        HappeningKind::Activity(what) => (LiveKind::Activity, Some(what)),
    };
    LiveEvent { cursor: happening.seq.to_string(), kind, file_id: happening.file_id, what }
}
