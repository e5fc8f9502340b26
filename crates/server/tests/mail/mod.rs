//! Letters through a mail relay: a real Postfix, and relays that fail and lie.

mod failing;
mod postfix;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use proto::{Health, paths};
use reqwest::StatusCode;
use serde_json::json;
use server::config::{Smtp, SmtpTls};
use server::{Backoff, Config, Seams};
use tokio::sync::{Mutex, Semaphore, mpsc};

use crate::stage::{Reply, Stage};

/// Pauses between tries that a test ends, and hears of.
#[derive(Clone)]
struct Held {
    tell: mpsc::UnboundedSender<u32>,
    told: Arc<Mutex<mpsc::UnboundedReceiver<u32>>>,
    go: Arc<Semaphore>,
}

impl Held {
    fn new() -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self { tell, told: Arc::new(Mutex::new(told)), go: Arc::new(Semaphore::new(0)) }
    }

    /// Until a try has failed; how many that letter has behind it.
    async fn failed(&self) -> u32 {
        self.told.lock().await.recv().await.unwrap()
    }

    /// Lets one letter try again, now or as soon as it waits.
    fn go(&self) {
        self.go.add_permits(1);
    }
}

#[async_trait]
impl Backoff for Held {
    async fn wait(&self, failed: u32) -> bool {
        self.tell.send(failed).unwrap();
        self.go.acquire().await.unwrap().forget();
        true
    }
}

/// A server whose letters go to `localhost` at a port.
async fn stage_at(port: u16, backoff: &Held, change: impl FnOnce(&mut Smtp)) -> Stage {
    let configure = |config: &mut Config| {
        config.mail.smtp = Smtp {
            smtp_host: Some("localhost".to_owned()),
            smtp_port: Some(port),
            smtp_from: Some("Our Club <codes@club.example>".to_owned()),
            ..Smtp::default()
        };
        change(&mut config.mail.smtp);
    };
    let backoff = backoff.clone();
    Stage::with_seams(configure, |seams| Seams { mailer: None, backoff: Some(Arc::new(backoff)), ..seams })
        .await
}

fn in_clear(smtp: &mut Smtp) {
    smtp.smtp_tls = Some(SmtpTls::None);
}

fn trusting(ca: &Path) -> impl FnOnce(&mut Smtp) {
    let ca = ca.to_owned();
    |smtp| smtp.smtp_ca = Some(ca)
}

async fn ask(stage: &Stage, address: &str) -> Reply {
    let reply = stage.post(paths::CODE, &json!({ "email": address })).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT, "{:?}", reply.body);
    reply
}

async fn email_available(stage: &Stage) -> bool {
    stage.get(paths::HEALTH).await.json::<Health>().email_available
}
