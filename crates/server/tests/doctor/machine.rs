//! The machine itself: folder, secrets, database, mail, certificate.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use server::Seams;
use server::config::{GivenSecret, SmtpTls};
use server::doctor::Verdict;
use stage::Relay;

use super::{findings, of, red, wrong};
use crate::stage::Stage;

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_order_is_all_green() {
    // On a busy machine a clock that stands still is soon behind.
    let stage = Stage::with_seams(|_| {}, |seams| Seams { clock: None, ..seams }).await;
    let found = findings(&stage, |_, _| {}).await;
    // How much room there is, and how fast the disk, is a matter of the machine that runs this.
    let wrong: Vec<_> = wrong(&found)
        .into_iter()
        .filter(|(name, _)| !name.ends_with("room") && !name.ends_with("commits"))
        .collect();
    assert_eq!(wrong, [], "{found:#?}");
    let areas = [
        "configuration",
        "data",
        "secrets",
        "database",
        "storage",
        "mail",
        "certificate",
        "public address",
        "clock",
    ];
    for area in areas {
        assert!(found.iter().any(|finding| finding.area == area), "{area}");
    }
    assert!(found.len() > 25, "{}", found.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_and_secrets_that_others_can_read_are_red_with_the_command_that_mends_it() {
    let stage = Stage::new().await;
    let data = stage.data.path().join("data");
    chmod(&data, 0o755);
    chmod(&data.join("secrets/jwt_secret"), 0o640);
    let found = findings(&stage, |_, _| {}).await;
    assert_eq!(red(&found), ["data/private", "secrets/jwt_secret"]);
    let fix = |area, check| of(&found, area, check).fix.clone().unwrap();
    assert_eq!(fix("data", "private"), format!("chmod 700 {}", data.display()));
    assert_eq!(
        fix("secrets", "jwt_secret"),
        format!("chmod 600 {}", data.join("secrets/jwt_secret").display())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_is_red_and_is_not_made() {
    let stage = Stage::new().await;
    let missing = stage.data.path().join("missing");
    let found = findings(&stage, |config, _| config.storage.data = missing.clone()).await;
    assert_eq!(
        red(&found),
        ["data/there", "secrets/secret_key", "secrets/jwt_secret", "database/opens", "storage/folder"]
    );
    assert!(!missing.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_too_short_is_red() {
    let stage = Stage::new().await;
    let path = stage.data.path().join("data/secrets/secret_key");
    std::fs::write(&path, "short").unwrap();
    let found = findings(&stage, |_, _| {}).await;
    assert_eq!(red(&found), ["secrets/secret_key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secrets_of_another_server_are_no_way_in() {
    let (stage, other) = (Stage::new().await, Stage::new().await);
    let found =
        findings(&stage, |config, _| config.public.public_url = Some(other.url.parse().unwrap())).await;
    // Its certificate is not known either: it has an authority of its own.
    assert_eq!(red(&found), ["public address/reached"]);
    let ca = other.data.path().join("data/tls/ca.pem");
    let found = findings(&stage, |config, options| {
        config.public.public_url = Some(other.url.parse().unwrap());
        options.ca = Some(ca);
    })
    .await;
    assert_eq!(red(&found), ["public address/this_server"]);
    assert!(of(&found, "public address", "this_server").seen.contains("404"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_damaged_is_red() {
    let stage = Stage::new().await;
    let copy = tempfile::tempdir().unwrap();
    let from = stage.data.path().join("data");
    std::fs::create_dir(copy.path().join("secrets")).unwrap();
    std::fs::create_dir(copy.path().join("blobs")).unwrap();
    for name in ["secrets/secret_key", "secrets/jwt_secret"] {
        std::fs::copy(from.join(name), copy.path().join(name)).unwrap();
    }
    std::fs::write(copy.path().join("waxwing.db"), [7; 8192]).unwrap();
    chmod(copy.path(), 0o700);
    let found = findings(&stage, |config, options| {
        config.storage.data = copy.path().to_owned();
        options.ca = Some(from.join("tls/ca.pem"));
    })
    .await;
    assert_eq!(red(&found), ["database/opens"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_serve_refuses_is_red_and_says_why() {
    let stage = Stage::new().await;
    let found = findings(&stage, |config, _| {
        config.secrets.jwt_secret_previous = Some(GivenSecret::new("canary".into()));
    })
    .await;
    assert_eq!(red(&found), ["configuration/accepted"]);
    let seen = &of(&found, "configuration", "accepted").seen;
    assert!(seen.contains("JWT_SECRET_PREVIOUS") && !seen.contains("canary"), "{seen}");
}

/// A relay that answers as a script says.
async fn with_relay(stage: &Stage, relay: &Relay) -> Vec<server::doctor::Finding> {
    findings(stage, |config, options| {
        config.mail.smtp.smtp_host = Some("127.0.0.1".into());
        config.mail.smtp.smtp_port = Some(relay.port);
        config.mail.smtp.smtp_tls = Some(SmtpTls::None);
        config.mail.smtp.smtp_from = Some("codes@club.example".into());
        options.mail_to = Some("operator@club.example".into());
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_takes_a_letter_is_green_and_one_that_refuses_is_red() {
    let stage = Stage::new().await;
    let honest = Relay::start(|_| None).unwrap();
    let found = with_relay(&stage, &honest).await;
    assert_eq!(red(&found), [""; 0], "{found:#?}");
    assert_eq!(of(&found, "mail", "letter").verdict, Verdict::Green);
    let picky = Relay::start(|line| line.starts_with("RCPT").then(|| "550 canary\r\n".into())).unwrap();
    let found = with_relay(&stage, &picky).await;
    assert_eq!(red(&found), ["mail/letter"]);
    assert!(!of(&found, "mail", "letter").seen.contains("canary"), "no word of a relay is repeated");
    let closed = Relay::start(|line| line.starts_with("EHLO").then(|| "554 no\r\n".into())).unwrap();
    let found = with_relay(&stage, &closed).await;
    assert_eq!(red(&found), ["mail/relay"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_not_there_is_red() {
    let stage = Stage::new().await;
    let port = crate::stage::shared::nobody().rsplit_once(':').unwrap().1.parse().unwrap();
    let found = findings(&stage, |config, _| {
        config.mail.smtp.smtp_host = Some("127.0.0.1".into());
        config.mail.smtp.smtp_port = Some(port);
        config.mail.smtp.smtp_tls = Some(SmtpTls::None);
        config.mail.smtp.smtp_from = Some("codes@club.example".into());
    })
    .await;
    assert_eq!(red(&found), ["mail/relay"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_not_there_is_red_and_one_that_works_is_green() {
    let stage = Stage::new().await;
    let url = crate::stage::shared::nobody();
    let found = findings(&stage, |config, _| config.secrets.redis_url = Some(GivenSecret::new(url))).await;
    assert_eq!(red(&found), ["redis/answers"]);
    if !stage::redis_is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let redis = stage::Redis::start(folder.path()).unwrap();
    let found =
        findings(&stage, |config, _| config.secrets.redis_url = Some(GivenSecret::new(redis.url()))).await;
    assert_eq!(red(&found), [""; 0], "{found:#?}");
}

/// A certificate that ends in so many days, and its key.
fn certificate(folder: &Path, name: &str, days: i64) -> (std::path::PathBuf, std::path::PathBuf) {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(400);
    params.not_after = now + time::Duration::days(days) + time::Duration::hours(1);
    let key = rcgen::KeyPair::generate().unwrap();
    let (cert, key_file) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    chmod(&key_file, 0o600);
    (cert, key_file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_judged_by_its_name_its_end_and_its_key() {
    let stage = Stage::new().await;
    let authority = stage.data.path().join("data/tls/ca.pem");
    let judged = async |name: &str, days: i64, wrong_key: bool| {
        let folder = tempfile::tempdir().unwrap();
        let (cert, mut key) = certificate(folder.path(), name, days);
        if wrong_key {
            let other = folder.path().join("other");
            std::fs::create_dir(&other).unwrap();
            key = certificate(&other, name, days).1;
        }
        // The server itself shows one of its own authority; only the file is judged here.
        let both = folder.path().join("both.pem");
        let pem = [std::fs::read(&authority).unwrap(), std::fs::read(&cert).unwrap()].concat();
        std::fs::write(&both, pem).unwrap();
        let found = findings(&stage, |config, options| {
            config.tls.tls_cert = Some(cert);
            config.tls.tls_key = Some(key);
            options.ca = Some(both);
        })
        .await;
        found.into_iter().filter(|finding| finding.area == "certificate").collect::<Vec<_>>()
    };
    assert_eq!(wrong(&judged("localhost", 90, false).await), []);
    assert_eq!(wrong(&judged("localhost", 10, false).await), [("certificate/ends".into(), Verdict::Yellow)]);
    assert_eq!(red(&judged("localhost", 1, false).await), ["certificate/ends"]);
    let ended = judged("localhost", -2, false).await;
    assert_eq!(red(&ended), ["certificate/chain"]);
    assert!(of(&ended, "certificate", "chain").seen.contains("has ended"));
    let other = judged("elsewhere.example", 90, false).await;
    assert_eq!(red(&other), ["certificate/chain"]);
    assert!(of(&other, "certificate", "chain").seen.contains("not for localhost"));
    assert_eq!(red(&judged("localhost", 90, true).await), ["certificate/used"]);
}
