//! The words of all parts in one stream, each with the name of who said it.

use std::io::Write as _;

use server::logging::LogFormat;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// How lines of children are passed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    format: LogFormat,
}

impl Words {
    pub(super) fn new(format: LogFormat) -> Self {
        Self { format }
    }

    /// Passes log lines on to standard error until the child has said its last.
    pub(super) async fn pass_on(self, name: &str, from: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            drop(writeln!(std::io::stderr(), "{}", self.named(name, &line)));
        }
    }

    /// A JSON object gets one more field; any other line a word before it.
    fn named(self, name: &str, line: &str) -> String {
        match (self.format, line.strip_prefix('{')) {
            (LogFormat::Json, Some(rest)) => format!("{{\"part\":\"{name}\",{rest}"),
            _ => format!("{name:<9} | {line}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_whose_it_is_and_stays_json_where_it_was() {
        let pretty = Words::new(LogFormat::Pretty);
        assert_eq!(pretty.named("server 1", "{\"a\":1}"), "server 1  | {\"a\":1}");
        let named = Words::new(LogFormat::Json).named("server 1", r#"{"level":"INFO"}"#);
        let read: serde_json::Value = serde_json::from_str(&named).unwrap();
        assert_eq!((&read["part"], &read["level"]), (&"server 1".into(), &"INFO".into()));
        assert_eq!(Words::new(LogFormat::Json).named("balancer", "plain"), "balancer  | plain");
    }
}
