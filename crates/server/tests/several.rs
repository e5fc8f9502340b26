//! Several servers over one database: what is counted, used up or ended on one is so on all of them.

use envelope::action::FactorChange;
use futures::future::join_all;
use proto::{Code, SecondFactor, SessionList, SessionReply, SignIn, WhoAmI, paths};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::Running;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::auth::factor::{enrol, proof, shown};
use crate::stage::server::send;
use crate::stage::{Person, Reply, Stage};

const ALICE: &str = "alice@wax.example";

/// Three servers that share a folder, as three processes would.
struct Several {
    stage: Stage,
    others: Vec<Running>,
}

impl Several {
    async fn new() -> Self {
        let stage = Stage::with(|config| config.limits.sign_ins_per_ip = 10_000).await;
        let mut others = Vec::new();
        for _ in 0..2 {
            others.push(stage.beside_with(|config| config.limits.sign_ins_per_ip = 10_000).await);
        }
        Self { stage, others }
    }

    /// The address of the `n`th server, round and round.
    fn url(&self, n: usize) -> String {
        match n % 3 {
            0 => self.stage.url.clone(),
            n => self.others[n - 1].url(),
        }
    }

    async fn ask(&self, n: usize, method: Method, path: &str, token: Option<&str>, body: &Value) -> Reply {
        let request = self.stage.http.request(method, format!("{}{path}", self.url(n))).json(body);
        send(match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
        .await
    }

    async fn post(&self, n: usize, path: &str, body: &Value) -> Reply {
        self.ask(n, Method::POST, path, None, body).await
    }

    /// Whether the session is alive, by the word of every server.
    async fn is_alive(&self, session: &SessionReply) -> bool {
        let token = session.access_token.expose_secret();
        let ask = |n| self.ask(n, Method::GET, paths::WHOAMI, Some(token), &Value::Null);
        let replies = join_all((0..3).map(ask)).await;
        let alive: Vec<bool> = replies.iter().map(|reply| reply.status == StatusCode::OK).collect();
        assert!(alive.windows(2).all(|pair| pair[0] == pair[1]), "the servers do not agree: {alive:?}");
        alive[0]
    }

    /// What the row of a code says was tried.
    async fn attempts(&self) -> i64 {
        if let Some(url) = self.stage.database_url() {
            let asked = ::stage::postgres::sql(&url, "SELECT sum(attempts) FROM codes");
            return asked.unwrap().parse().unwrap();
        }
        let options = SqliteConnectOptions::new()
            .filename(self.stage.data.path().join("data/waxwing.db"))
            .read_only(true);
        let mut db = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query_scalar("SELECT sum(attempts) FROM codes").fetch_one(&mut db).await.unwrap()
    }

    /// A sign-in that has proved the mailbox.
    async fn half(&self) -> SecondFactor {
        let code = self.stage.code_for(ALICE).await;
        match self.stage.redeem(ALICE, &code).await.json() {
            SignIn::Half { second_factor } => second_factor,
            SignIn::Session(_) => panic!("a session without the second factor"),
        }
    }

    async fn end(self) {
        for server in self.others {
            server.shutdown().await;
        }
    }
}

fn wrong(right: &str, n: usize) -> String {
    let code: usize = right.parse().unwrap();
    format!("{:06}", (code + 1 + n) % 1_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_over_several_servers_at_once_are_three_for_each_code() {
    let several = Several::new().await;
    let code = several.stage.code_for(ALICE).await;
    let guess = |n| {
        let body = json!({ "email": ALICE, "code": wrong(&code, n) });
        let several = &several;
        async move { several.post(n, paths::SESSION, &body).await }
    };
    for reply in join_all((0..60).map(guess)).await {
        assert_eq!(reply.code(), Code::CodeRejected);
    }
    assert_eq!(several.attempts().await, 3, "57 of 60 were not even compared");
    let right = json!({ "email": ALICE, "code": code });
    for reply in join_all((0..3).map(|n| several.post(n, paths::SESSION, &right))).await {
        assert_eq!(reply.code(), Code::CodeRejected, "three wrong ones made it void everywhere");
    }
    several.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_code_from_another_server_restores_no_attempts() {
    let several = Several::new().await;
    let code = several.stage.code_for(ALICE).await;
    for n in 0..2 {
        let body = json!({ "email": ALICE, "code": wrong(&code, n) });
        several.post(n, paths::SESSION, &body).await;
    }
    // Codes are asked for and guessed at together, everywhere.
    let mixed = |n: usize| {
        let several = &several;
        let (path, body) = match n % 5 {
            0 => (paths::CODE, json!({ "email": ALICE })),
            _ => (paths::SESSION, json!({ "email": ALICE, "code": format!("{n:06}") })),
        };
        async move { several.post(n, path, &body).await }
    };
    join_all((0..30).map(mixed)).await;
    assert_eq!(several.attempts().await, 3);
    several.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_sent_over_several_servers_at_once_are_five_in_an_hour() {
    let several = Several::new().await;
    let body = json!({ "email": ALICE });
    let replies = join_all((0..40).map(|n| several.post(n, paths::CODE, &body))).await;
    let sent = replies.iter().filter(|reply| reply.status == StatusCode::NO_CONTENT).count();
    let refused = replies.iter().filter(|reply| reply.status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!((sent, refused), (5, 35));
    // Letters are on their way when the answer is given.
    while several.stage.mail.codes_for(ALICE).len() < 5 {
        tokio::task::yield_now().await;
    }
    for n in 0..3 {
        let reply = several.post(n, paths::CODE, &body).await;
        assert_eq!(reply.code(), Code::TooMany);
        assert!(reply.refusal().retry_after.is_some());
    }
    assert_eq!(several.stage.mail.codes_for(ALICE).len(), 5, "and no letter more");
    several.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_address_is_counted_over_all_servers() {
    let stage = Stage::with(|config| config.limits.sign_ins_per_ip = 10).await;
    let second = stage.beside_with(|config| config.limits.sign_ins_per_ip = 10).await;
    let urls = [stage.url.clone(), second.url()];
    let ask = |n: usize| {
        let body = json!({ "email": format!("p{n}@wax.example") });
        send(stage.http.post(format!("{}{}", urls[n % 2], paths::CODE)).json(&body))
    };
    let replies = join_all((0..30).map(ask)).await;
    let taken = replies.iter().filter(|reply| reply.status == StatusCode::NO_CONTENT).count();
    assert_eq!(taken, 10);
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_used_on_several_servers_at_once_never_gives_two_sessions() {
    let several = Several::new().await;
    for round in 0..8 {
        let first = several.stage.sign_in(&format!("p{round}@wax.example")).await;
        let body = json!({ "refresh_token": first.refresh_token.expose_secret() });
        let replies = join_all((0..9).map(|n| several.post(n, paths::REFRESH, &body))).await;
        let sessions: Vec<SessionReply> =
            replies.iter().filter(|reply| reply.status.is_success()).map(Reply::json).collect();
        let mut tokens: Vec<_> =
            sessions.iter().map(|session| session.refresh_token.expose_secret().to_owned()).collect();
        tokens.sort();
        tokens.dedup();
        assert!(tokens.len() <= 1, "{} refresh tokens", tokens.len());
        for refused in replies.iter().filter(|reply| !reply.status.is_success()) {
            assert_eq!(refused.code(), Code::SignInNeeded);
        }
        let Some(session) = sessions.first().filter(|_| replies.len() == sessions.len()) else { continue };
        assert!(several.is_alive(session).await);
        let token = session.access_token.expose_secret();
        let list = several.ask(1, Method::GET, paths::SESSIONS, Some(token), &Value::Null).await;
        assert_eq!(list.json::<SessionList>().sessions.len(), 1);
    }
    several.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_refresh_token_on_another_server_ends_the_session_on_all() {
    let several = Several::new().await;
    let first = several.stage.sign_in(ALICE).await;
    let renew = |n, session: &SessionReply| {
        let body = json!({ "refresh_token": session.refresh_token.expose_secret() });
        let several = &several;
        async move { several.post(n, paths::REFRESH, &body).await }
    };
    let second: SessionReply = renew(1, &first).await.json();
    let third: SessionReply = renew(2, &second).await.json();
    assert!(several.is_alive(&third).await);
    assert_eq!(renew(0, &first).await.code(), Code::SignInNeeded, "a copy");
    assert!(!several.is_alive(&third).await);
    assert_eq!(renew(1, &third).await.code(), Code::SignInNeeded);
    several.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ended_on_one_server_is_dead_on_the_others_at_once() {
    let several = Several::new().await;
    for ended_by in [paths::LOGOUT, paths::OTHER_SESSIONS, paths::ONE_SESSION] {
        several.stage.later(3_601);
        let (own, stolen) = (several.stage.sign_in(ALICE).await, several.stage.sign_in(ALICE).await);
        assert!(several.is_alive(&stolen).await);
        let own_token = own.access_token.expose_secret();
        let (method, path, token) = match ended_by {
            paths::LOGOUT => (Method::POST, ended_by.to_owned(), stolen.access_token.expose_secret()),
            paths::OTHER_SESSIONS => (Method::POST, ended_by.to_owned(), own_token),
            _ => {
                let list = several.ask(2, Method::GET, paths::SESSIONS, Some(own_token), &Value::Null).await;
                let list: SessionList = list.json();
                let id = list.sessions.into_iter().find(|session| !session.current).unwrap().id;
                (Method::DELETE, paths::fill(ended_by, &[&id]), own_token)
            }
        };
        let reply = several.ask(1, method, &path, Some(token), &json!({})).await;
        assert!(reply.status.is_success(), "{ended_by}: {:?}", reply.body);
        assert!(!several.is_alive(&stolen).await, "{ended_by}");
        let body = json!({ "refresh_token": stolen.refresh_token.expose_secret() });
        for n in 0..3 {
            assert_eq!(several.post(n, paths::REFRESH, &body).await.code(), Code::SignInNeeded);
        }
        assert!(several.is_alive(&own).await, "{ended_by} ends no other");
        several.ask(0, Method::POST, paths::LOGOUT, Some(own_token), &json!({})).await;
    }
    several.end().await;
}

/// Many sign-ins that have all proved the mailbox show the same code at once, each at another server.
async fn race(several: &Several, code: &str) -> Vec<SessionReply> {
    let mut halves = Vec::new();
    for _ in 0..3 {
        halves.push(several.half().await);
    }
    let show = |(n, half): (usize, &SecondFactor)| {
        let body = json!({ "token": half.token.expose_secret(), "code": code });
        async move { several.post(n, paths::SECOND, &body).await }
    };
    let replies = join_all(halves.iter().enumerate().map(show)).await;
    for refused in replies.iter().filter(|reply| !reply.status.is_success()) {
        assert_eq!(refused.code(), Code::CodeRejected);
    }
    replies.iter().filter(|reply| reply.status.is_success()).map(Reply::json).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_the_app_and_a_backup_code_are_good_once_over_all_servers() {
    let several = Several::new().await;
    let alice = Person::with_bundle(&several.stage, ALICE).await;
    let (secret, codes) = enrol(&several.stage, &alice).await;
    for _ in 0..2 {
        // Another step, and another hour of tries and codes.
        several.stage.later(3_630);
        assert_eq!(race(&several, &shown(&several.stage, &secret, 0)).await.len(), 1);
    }
    for code in &codes[..2] {
        several.stage.later(3_630);
        let opened = race(&several, code).await;
        assert_eq!(opened.len(), 1);
        let token = opened[0].access_token.expose_secret();
        let me: WhoAmI = several.ask(1, Method::GET, paths::WHOAMI, Some(token), &Value::Null).await.json();
        assert!(me.second_factor);
    }
    several.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sign_in_shown_with_two_right_codes_at_once_opens_one_session() {
    let several = Several::new().await;
    let alice = Person::with_bundle(&several.stage, ALICE).await;
    let (secret, codes) = enrol(&several.stage, &alice).await;
    several.stage.later(60);
    let half = several.half().await;
    let right = [shown(&several.stage, &secret, 0), codes[0].clone(), codes[1].clone()];
    let show = |(n, code): (usize, &String)| {
        let body = json!({ "token": half.token.expose_secret(), "code": code });
        let several = &several;
        async move { several.post(n, paths::SECOND, &body).await }
    };
    let replies = join_all(right.iter().enumerate().map(show)).await;
    assert_eq!(replies.iter().filter(|reply| reply.status.is_success()).count(), 1);
    several.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_confirmed_on_one_server_is_asked_for_by_the_others() {
    let several = Several::new().await;
    let alice = Person::with_bundle(&several.stage, ALICE).await;
    let request = proof(&several.stage, &alice, FactorChange::Add);
    let offered = several.ask(1, Method::POST, paths::TOTP, Some(&alice.token), &request).await;
    let code = json!({ "code": shown(&several.stage, &offered.json(), 0) });
    let confirmed = several.ask(2, Method::POST, paths::TOTP_CONFIRM, Some(&alice.token), &code).await;
    assert_eq!(confirmed.status, StatusCode::OK);
    several.half().await;
    several.end().await;
}
