//! Configurations that a server refuses to start with.

use std::sync::Arc;

use server::config::{ConfigError, GivenSecret, MailKind, SmtpError};
use server::{Config, Seams, Server, StartError};

use crate::stage::server::Mailbox;

async fn refused(change: impl FnOnce(&mut Config), mailer: bool) -> ConfigError {
    let data = tempfile::tempdir().unwrap();
    let mut config = Config::for_data(data.path().join("data"));
    config.listen.listen = "0.0.0.0:0".parse().unwrap();
    change(&mut config);
    let mut seams = Seams::default();
    if mailer {
        seams.mailer = Some(Arc::new(Mailbox::default()));
    }
    let started = Server::start_with(config, seams).await;
    assert!(!data.path().join("data").exists(), "nothing is made before the configuration is accepted");
    match started {
        Err(StartError::Config(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_address_refuses_the_console_mailer() {
    assert!(matches!(refused(|_| {}, false).await, ConfigError::ConsoleMailerInPublic));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_address_refuses_plain_http() {
    let error = refused(|config| config.tls.plain_http = true, true).await;
    assert!(matches!(error, ConfigError::NoTlsInPublic));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_secret_is_refused_everywhere() {
    for listen in ["0.0.0.0:0", "127.0.0.1:0"] {
        let error = refused(
            |config| {
                config.listen.listen = listen.parse().unwrap();
                config.secrets.jwt_secret = Some(GivenSecret::new("short".into()));
            },
            true,
        )
        .await;
        assert!(matches!(error, ConfigError::ShortSecret { name: "JWT_SECRET" }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_certificate_is_refused() {
    let error = refused(|config| config.tls.tls_cert = Some("cert.pem".into()), true).await;
    assert!(matches!(error, ConfigError::HalfCertificate));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_address_with_a_relay_starts() {
    let data = tempfile::tempdir().unwrap();
    let mut config = Config::for_data(data.path().join("data"));
    config.listen.listen = "0.0.0.0:0".parse().unwrap();
    config.mail.smtp.smtp_host = Some("localhost".into());
    config.mail.smtp.smtp_from = Some("codes@club.example".into());
    // In clear, so that it starts on a system without authorities as well.
    config.mail.smtp.smtp_tls = Some(server::config::SmtpTls::None);
    config.mail.mail = Some(MailKind::Console);
    let refused = Server::start(config.clone()).await;
    assert!(matches!(refused, Err(StartError::Config(ConfigError::ConsoleMailerInPublic))));
    config.mail.mail = None;
    Server::start(config).await.unwrap().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_mail_relay_is_refused_with_what_to_set() {
    let said = refused(|config| config.mail.mail = Some(MailKind::Smtp), false).await.to_string();
    assert!(said.contains("SMTP_HOST"), "{said}");
    let host = |config: &mut Config| config.mail.smtp.smtp_host = Some("mail.club.example".into());
    let said = refused(host, false).await.to_string();
    assert!(said.contains("SMTP_FROM"), "{said}");
    let half_a_login = |config: &mut Config| {
        host(config);
        config.mail.smtp.smtp_user = Some("post@club.example".into());
    };
    let said = refused(half_a_login, false).await.to_string();
    assert!(said.contains("SMTP_PASSWORD"), "{said}");
    let in_clear = |config: &mut Config| {
        host(config);
        config.mail.smtp.smtp_from = Some("post@club.example".into());
        config.mail.smtp.smtp_tls = Some(server::config::SmtpTls::None);
    };
    let error = refused(in_clear, false).await;
    assert!(matches!(error, ConfigError::Smtp(SmtpError::PlainBeyondLoopback)));
}

#[test]
fn no_secret_shows_in_a_printed_configuration() {
    let mut config = Config::for_data("unused".into());
    let secret = || Some(GivenSecret::new("canary, long enough for all of them".into()));
    config.secrets.secret_key = secret();
    config.secrets.jwt_secret = secret();
    config.secrets.jwt_secret_previous = secret();
    config.secrets.smtp_password = secret();
    assert!(!format!("{config:?}").contains("canary"));
}
