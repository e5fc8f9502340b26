//! Configurations that a server refuses to start with.

use std::sync::Arc;

use server::config::{ConfigError, GivenSecret};
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
