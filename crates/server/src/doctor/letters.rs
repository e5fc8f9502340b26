//! Whether letters reach the relay, and by way of it a mailbox.

use std::sync::Arc;

use envelope::Address;
use tokio::time::timeout;

use super::Chart;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::logging::chain;
use crate::mail::{Growing, SmtpMailer};

pub(super) async fn relay(config: &Config, mail_to: Option<&str>, chart: &mut Chart<'_>) {
    let relay = match config.relay() {
        Ok(Some(relay)) => relay,
        Ok(None) if config.listen.is_loopback() => {
            return chart
                .green("relay", "none: codes go to the terminal and DATA/mail, for one's own machine");
        }
        Ok(None) => {
            return chart.red(
                "relay",
                "there is none, so nobody gets a code",
                "set SMTP_HOST to a mail relay",
            );
        }
        // Said where the configuration is looked at.
        Err(_) => return,
    };
    let name = format!("{}:{}", relay.host, relay.port);
    let signs_in = relay.login.is_some();
    let mailer = match SmtpMailer::open(relay, Arc::new(Growing)) {
        Ok(mailer) => mailer,
        Err(error) => return chart.red("relay", chain(&error), "see to SMTP_HOST and SMTP_CA"),
    };
    if let Err(why) = mailer.knock().await {
        let fix = "see to SMTP_HOST, SMTP_PORT, SMTP_TLS, SMTP_USER and SMTP_PASSWORD, and whether this machine may \
                   connect there (many hosts block port 25 and 587 outwards)";
        return chart.red("relay", format!("{name}: {why}"), fix);
    }
    let signed = if signs_in { ", signed in" } else { ", without signing in" };
    chart.green("relay", format!("{name} answers{signed}"));
    let Some(to) = mail_to else { return };
    let Ok(to) = Address::parse(to) else {
        return chart.red("letter", "--mail-to is no address", "write it as somebody@club.example");
    };
    let Ok(sent) = timeout(chart.patience, mailer.send_trial(&to, SystemClock.now())).await else {
        return chart.silent("letter", "the relay takes the connection and no letter: ask whoever runs it");
    };
    match sent {
        Ok(()) => {
            chart.green("letter", "the relay took a letter; see whether it arrives, and not among spam")
        }
        Err(error) => {
            let fix =
                "the relay takes no letters from SMTP_FROM, or none to that address: ask whoever runs it";
            chart.red("letter", chain(&error), fix);
        }
    }
}
