//! How connections are made: what the URL says, and what every connection is told.

use std::str::FromStr as _;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::DbError;

/// Said on every connection that may write. Nobody who was cut off may keep the others waiting for the turn; nothing that was
/// answered may be lost with the power.
pub(super) const WRITING: &str = "SET statement_timeout = '30s';
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '10s';
    SET default_transaction_isolation = 'read committed';
    SET client_min_messages = 'error'";

/// Said on every connection that only reads.
pub(super) const READING: &str = "SET statement_timeout = '30s';
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '10s';
    SET default_transaction_read_only = on;
    SET client_min_messages = 'error'";

/// The options of a URL. Errors hold nothing of it: there is a password in it.
pub(super) fn parse(url: &str) -> Result<PgConnectOptions, DbError> {
    let unreadable =
        || DbError::Open("its URL is not of the form postgres://user:password@host:port/name".into());
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        return Err(unreadable());
    }
    let options = PgConnectOptions::from_str(url).map_err(|_| unreadable())?.application_name("waxwing");
    let options = sqlx::ConnectOptions::disable_statement_logging(options);
    let is_said = url.split_once('?').is_some_and(|(_, query)| {
        query.split('&').any(|pair| pair.starts_with("sslmode=") || pair.starts_with("ssl-mode="))
    });
    if is_said || is_here(&options) {
        return Ok(options);
    }
    Ok(options.ssl_mode(PgSslMode::VerifyFull))
}

/// Whether the server is on this machine.
fn is_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> PgSslMode {
        parse(url).unwrap().get_ssl_mode()
    }

    #[test]
    fn another_machine_is_spoken_to_over_tls_that_is_checked_unless_the_operator_says_otherwise() {
        assert!(matches!(mode("postgres://waxwing@db.example/waxwing"), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres://w@db.example/w?application_name=x"), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres://w@db.example/w?sslmode=disable"), PgSslMode::Disable));
        assert!(matches!(mode("postgres://w@db.example/w?sslmode=verify-ca"), PgSslMode::VerifyCa));
        for here in ["localhost", "127.0.0.1", "[::1]", "%2Frun%2Fpostgresql"] {
            let mode = mode(&format!("postgres://w@{here}/w"));
            assert!(matches!(mode, PgSslMode::Prefer), "{here}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        for url in ["postgres://waxwing:canary@host:notaport/x", "mysql://waxwing:canary@host/x", "canary"] {
            let error = parse(url).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("canary"), "{url}");
        }
    }
}
