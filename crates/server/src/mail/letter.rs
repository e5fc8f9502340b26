//! What a letter says: plain text for everybody's mail program, the code in its first line and never in a header.

use std::time::{Duration, SystemTime};

use lettre::Address;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Mailbox, Message};
use proto::limits::{CODE_ATTEMPTS, CODE_SECONDS};
use zeroize::Zeroizing;

use super::{CodeLetter, Invitation, MailError, Notice, NoticeLetter};

/// A letter as it travels; nothing of it prints.
pub(super) struct Composed {
    pub(super) from: Address,
    pub(super) to: Address,
    /// Headers and body, lines ended by CR LF.
    pub(super) text: Zeroizing<Vec<u8>>,
}

impl Composed {
    pub(super) fn new(letter: &CodeLetter, from: &Mailbox) -> Result<Self, MailError> {
        Self::compose(&letter.to, from, "Your Waxwing code", letter.written, body(&letter.code))
    }

    /// The letter that goes with an invitation.
    pub(super) fn invitation(letter: &Invitation, from: &Mailbox) -> Result<Self, MailError> {
        Self::compose(&letter.to, from, "You are invited to Waxwing", letter.written, invitation(letter))
    }

    /// A letter that an operator sends to see whether letters arrive.
    pub(super) fn trial(to: &envelope::Address, from: &Mailbox, written: i64) -> Result<Self, MailError> {
        Self::compose(to, from, "Letters of your Waxwing server arrive", written, TRIAL.to_owned())
    }

    /// The letter about something that happened.
    pub(super) fn notice(letter: &NoticeLetter, from: &Mailbox) -> Result<Self, MailError> {
        let (subject, body) = match letter.notice {
            Notice::KeysReset { due } => ("Your Waxwing keys are to be replaced", keys_reset(due)),
            Notice::Files { shared: true, arrived: false } => {
                ("Somebody shared a file with you", files("Somebody shared a file with you", letter))
            }
            Notice::Files { shared: false, .. } => {
                ("A file came into your drop box", files("A file came into a drop box of yours", letter))
            }
            Notice::Files { shared: true, arrived: true } => (
                "Files are waiting for you",
                files("Somebody shared a file with you, and one came into a drop box of yours,", letter),
            ),
        };
        Self::compose(&letter.to, from, subject, letter.written, body)
    }

    fn compose(
        to: &envelope::Address,
        from: &Mailbox,
        subject: &str,
        written: i64,
        body: String,
    ) -> Result<Self, MailError> {
        let to = recipient(to);
        let message = Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(subject)
            .date(moment(written))
            .message_id(Some(message_id(from.email.domain())))
            .header(AutoSubmitted)
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|_| MailError::Compose)?;
        Ok(Self { from: from.email.clone(), to, text: Zeroizing::new(message.formatted()) })
    }

    /// Whether the relay must understand addresses beyond ASCII (SMTPUTF8, RFC 6531).
    pub(super) fn needs_utf8(&self) -> bool {
        !self.to.to_string().is_ascii()
    }
}

const TRIAL: &str = "This letter was sent by waxd doctor, to see whether letters arrive.\r\n\
     They do. There is nothing to do.\r\n";

/// The address as mail systems know it: the domain in its ASCII form where it has one (IDNA), which every relay
/// understands. That it holds no blank, quote, control character or second `@` was settled when it was parsed.
fn recipient(address: &envelope::Address) -> Address {
    let (local, domain) = address.as_str().rsplit_once('@').unwrap_or((address.as_str(), ""));
    let ascii = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned());
    Address::new_dangerous(local, ascii)
}

fn moment(unix: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(unix).unwrap_or_default())
}

/// Unique, and of the sender's domain: the server's own name is nobody's business.
fn message_id(domain: &str) -> String {
    format!("<{}@{domain}>", uuid::Uuid::from_bytes(crate::random::uuid()))
}

fn body(code: &str) -> String {
    format!(
        "Your code is {code}\r\n\r\n\
         It is good for {minutes} minutes and {CODE_ATTEMPTS} tries. Type it only where\r\n\
         you asked for it, and give it to nobody: whoever has it can\r\n\
         sign in with your address.\r\n\r\n\
         If you did not ask for it, somebody typed your address. Nothing\r\n\
         needs to be done: without the code they do not get in.\r\n",
        minutes = CODE_SECONDS / 60,
    )
}

fn keys_reset(due: i64) -> String {
    let due = day(due);
    format!(
        "Somebody who can read this mailbox asked for new keys for your\r\n\
         account. From {due} on they count,\r\n\
         and what was sealed to your present keys opens with those alone.\r\n\r\n\
         If that was you, because your keys are lost: nothing needs to be\r\n\
         done until then.\r\n\r\n\
         If it was not: somebody else has access to this mailbox. On a device\r\n\
         that has your keys, run\r\n\r\n\
         \x20   wax keys reset --stop\r\n\r\n\
         and change the password of the mailbox.\r\n",
    )
}

fn files(what: &str, letter: &NoticeLetter) -> String {
    let place = match &letter.url {
        Some(url) => format!(" at\r\n{url}"),
        None => ".".to_owned(),
    };
    format!(
        "{what}{place}\r\n\r\n\
         There may be several. To see them:\r\n\r\n\
         \x20   wax ls\r\n\r\n\
         This letter says no names and holds no secret, because mail is read\r\n\
         on its way. If you expect nothing, nothing needs to be done: nobody\r\n\
         learns whether you read it.\r\n\r\n\
         To get no such letters any more:\r\n\r\n\
         \x20   wax account notify off\r\n",
    )
}

/// A moment as everybody reads it: `22 November 2026, 20:15 UTC`.
fn day(unix: i64) -> String {
    let form =
        time::macros::format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    let at = time::OffsetDateTime::from_unix_timestamp(unix).ok();
    at.and_then(|at| at.format(form).ok()).unwrap_or_else(|| format!("{unix} seconds after 1970"))
}

fn invitation(letter: &Invitation) -> String {
    format!(
        "You are invited to send and receive sealed files at\r\n{url}\r\n\r\n\
         Sign in there with this address:\r\n\r\n\
         \x20   wax login {to} --server {url}\r\n\r\n\
         A code comes to this address when you do. The invitation is good for\r\n\
         {days} days. There is no secret in this letter; if you expect nothing of\r\n\
         the kind, nothing needs to be done.\r\n",
        url = letter.url,
        to = letter.to.as_str(),
        days = letter.days,
    )
}

/// `Auto-Submitted: auto-generated` (RFC 3834): no holiday notice answers it.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(to: &str) -> (Composed, String, String) {
        let letter = CodeLetter {
            to: envelope::Address::parse(to).unwrap(),
            code: "012345".to_owned().into(),
            written: 1_700_000_000,
        };
        let from = "Our Club <codes@club.example>".parse().unwrap();
        let composed = Composed::new(&letter, &from).unwrap();
        let text = String::from_utf8(composed.text.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (composed, head.to_owned(), body.to_owned())
    }

    #[test]
    fn a_letter_has_the_headers_that_mail_wants_and_the_code_in_none() {
        let (_, head, body) = composed("alice@wax.example");
        for line in [
            "From: \"Our Club\" <codes@club.example>",
            "To: alice@wax.example",
            "Subject: Your Waxwing code",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: 7bit",
        ] {
            assert!(head.lines().any(|found| found == line), "{line} is not in\n{head}");
        }
        assert!(
            head.lines().any(|line| line.starts_with("Message-ID: <") && line.ends_with("@club.example>"))
        );
        assert!(!head.contains("012345"));
        assert!(body.starts_with("Your code is 012345\r\n"));
        assert!(body.contains("10 minutes and 3 tries") && body.contains("If you did not ask for it"));
    }

    #[test]
    fn an_invitation_says_where_and_with_which_address() {
        let letter = Invitation {
            to: envelope::Address::parse("alice@wax.example").unwrap(),
            url: "https://files.club.example".to_owned(),
            days: 30,
            written: 1_700_000_000,
        };
        let from = "codes@club.example".parse().unwrap();
        let text = Composed::invitation(&letter, &from).unwrap().text;
        let text = std::str::from_utf8(&text).unwrap();
        for part in [
            "Subject: You are invited to Waxwing\r\n",
            "\r\n    wax login alice@wax.example --server https://files.club.example\r\n",
            "good for\r\n30 days",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn a_letter_about_new_keys_says_when_and_how_to_stop_them() {
        let letter = NoticeLetter {
            to: envelope::Address::parse("alice@wax.example").unwrap(),
            notice: Notice::KeysReset { due: 1_700_000_000 },
            url: None,
            written: 1_699_740_800,
        };
        let from = "codes@club.example".parse().unwrap();
        let text = Composed::notice(&letter, &from).unwrap().text;
        let text = std::str::from_utf8(&text).unwrap();
        for part in [
            "Subject: Your Waxwing keys are to be replaced\r\n",
            "From 14 November 2023, 22:13 UTC on they count",
            "\r\n    wax keys reset --stop\r\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn a_letter_about_files_says_no_names_and_how_to_end_such_letters() {
        for (shared, arrived, subject) in [
            (true, false, "Subject: Somebody shared a file with you\r\n"),
            (false, true, "Subject: A file came into your drop box\r\n"),
            (true, true, "Subject: Files are waiting for you\r\n"),
        ] {
            let letter = NoticeLetter {
                to: envelope::Address::parse("bob@wax.example").unwrap(),
                notice: Notice::Files { shared, arrived },
                url: Some("https://files.club.example".to_owned()),
                written: 1_700_000_000,
            };
            let from = "codes@club.example".parse().unwrap();
            let text = Composed::notice(&letter, &from).unwrap().text;
            let text = std::str::from_utf8(&text).unwrap();
            for part in
                [subject, " at\r\nhttps://files.club.example\r\n", "\r\n    wax account notify off\r\n"]
            {
                assert!(text.contains(part), "{part:?} is not in\n{text}");
            }
            assert_eq!(text.matches('@').count(), 3, "sender, recipient and the id alone: {text}");
        }
    }

    #[test]
    fn two_letters_have_two_ids() {
        let id = |head: &str| head.lines().find(|line| line.starts_with("Message-ID")).map(str::to_owned);
        assert_ne!(id(&composed("a@wax.example").1), id(&composed("a@wax.example").1));
    }

    #[test]
    fn an_address_adds_no_header_and_no_command() {
        for typed in [
            "a@wax.example\r\nBcc: b@wax.example",
            "a\r\nBcc: b@wax.example",
            "a@wax.example>\r\nDATA\r\n",
            "\"a b\"@wax.example",
            "a@wax.example\u{85}b",
            "a\0@wax.example",
            "<a@wax.example>",
            "a,b@wax.example",
        ] {
            assert!(envelope::Address::parse(typed).is_err(), "{typed:?}");
        }
        let strangest = "!#$%&'*+-/=?^_`{|}~.x@wax.example";
        let (composed, head, _) = composed(strangest);
        assert_eq!(composed.to.to_string(), strangest);
        assert_eq!(head.lines().filter(|line| line.contains('@')).count(), 3, "{head}");
    }

    #[test]
    fn a_domain_beyond_ascii_travels_in_its_ascii_form_and_a_local_part_as_it_is() {
        let (plain, head, _) = composed("post@bücher.example");
        assert_eq!(plain.to.to_string(), "post@xn--bcher-kva.example");
        assert!(!plain.needs_utf8() && head.is_ascii());
        let (utf8, head, _) = composed("jörg@bücher.example");
        assert!(utf8.needs_utf8());
        assert!(head.contains("To: jörg@xn--bcher-kva.example"));
    }
}
