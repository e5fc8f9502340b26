//! Who watches this server, and what wakes them: one look at the database a second for all of them, and one at once after
//! whatever was changed here, or at a server that is heard by Redis.

mod outlet;
mod teller;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use db::DbError;
use envelope::ids::UserId;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::state::App;

pub(crate) use outlet::{Frames, Lines};
pub(crate) use teller::{Watching, tell};

/// How long what another server wrote may stay unseen here.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Least time between two looks, however much is changed.
const BREATH: Duration = Duration::from_millis(50);
/// Rows of one look; beyond that everybody is woken.
const ROWS: u32 = 2_000;

/// Those who watch this server.
pub(crate) struct Live {
    watched: Mutex<Watched>,
    someone: Notify,
    nudge: Notify,
    pub(super) stop: CancellationToken,
}

#[derive(Default)]
struct Watched {
    people: HashMap<UserId, Seat>,
    total: u32,
}

struct Seat {
    bell: watch::Sender<()>,
    places: u32,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// The account watches from as many places as it may.
    Account,
    /// The server is full.
    Server,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self {
            watched: Mutex::default(),
            someone: Notify::new(),
            nudge: Notify::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Something was changed here: it is told at once.
    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// How many connections watch.
    pub(crate) fn watchers(&self) -> u32 {
        self.watched().total
    }

    /// Everybody who watches is told to go elsewhere.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, whom: Option<&HashSet<UserId>>) {
        for (user, seat) in &self.watched().people {
            if whom.is_none_or(|whom| whom.contains(user)) {
                seat.bell.send_replace(());
            }
        }
    }
}

/// One of the bounded places to watch from; given back when it is dropped.
pub(crate) struct Place {
    app: App,
    user: UserId,
    bell: watch::Receiver<()>,
}

impl Place {
    /// A place, if there is one.
    pub(crate) fn take(app: &App, user: UserId) -> Result<Self, NoPlace> {
        let mut watched = app.live.watched();
        if watched.total >= app.limits.watchers {
            return Err(NoPlace::Server);
        }
        let seat =
            watched.people.entry(user).or_insert_with(|| Seat { bell: watch::Sender::new(()), places: 0 });
        if seat.places >= app.limits.watchers_per_account {
            return Err(NoPlace::Account);
        }
        seat.places += 1;
        let bell = seat.bell.subscribe();
        watched.total += 1;
        drop(watched);
        app.live.someone.notify_one();
        Ok(Self { app: app.clone(), user, bell })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut watched = self.app.live.watched();
        watched.total = watched.total.saturating_sub(1);
        if let Some(seat) = watched.people.get_mut(&self.user) {
            seat.places = seat.places.saturating_sub(1);
            if seat.places == 0 {
                watched.people.remove(&self.user);
            }
        }
    }
}

/// Looks for what happened, for as long as anybody watches.
pub(crate) async fn keep_looking(app: &App) {
    let mut after = None;
    loop {
        if app.live.watched().total == 0 {
            after = None;
            app.live.someone.notified().await;
            continue;
        }
        match look(app, after).await {
            Ok(seen) => after = Some(seen),
            // Those who watch ask again themselves at their next heartbeat.
            Err(error) => tracing::warn!(cause = %error, "what happened could not be looked up"),
        }
        tokio::time::sleep(BREATH).await;
        // The word of another server may get lost.
        let heard = app.fleeting.as_ref().filter(|_| app.hearing.is_open());
        let pause = heard.map_or(LOOK_EVERY, |fleeting| fleeting.look_every);
        tokio::select! {
            () = app.live.nudge.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Wakes those to whom something happened behind a number; all of them where the number is not known.
async fn look(app: &App, after: Option<u64>) -> Result<u64, DbError> {
    let Some(after) = after else {
        let last = app.db.live_span().await?.last;
        app.live.ring(None);
        return Ok(last);
    };
    let rows = app.db.stirred(after, ROWS).await?;
    let Some(&(last, _)) = rows.last() else { return Ok(after) };
    if rows.len() >= ROWS as usize {
        app.live.ring(None);
        return Ok(app.db.live_span().await?.last.max(last));
    }
    app.live.ring(Some(&rows.into_iter().map(|(_, user)| user).collect()));
    Ok(last)
}

/// A layer: whatever may have changed something is looked for at once.
pub(crate) async fn noticed(State(app): State<App>, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let response = next.run(request).await;
    if changes {
        stirred(&app);
    }
    response
}

/// Something may have been changed here: whoever watches learns of it at once, at other servers too where Redis tells them.
pub(crate) fn stirred(app: &App) {
    app.live.nudge();
    if let Some(fleeting) = &app.fleeting {
        fleeting.announce();
    }
}
