//! What of a path the log may say: words that the API is made of; everything else, such as ids of files and links, is `{}`.

/// Every word of the paths in `proto::paths`. A word that is missing here is written as `{}`: dull, never wrong.
const WORDS: [&str; 83] = [
    "account",
    "activity",
    "api",
    "auth",
    "backup-codes",
    "batch",
    "box",
    "boxes",
    "chain",
    "changes",
    "code",
    "complete",
    "confirm",
    "content",
    "d",
    "devices",
    "directory",
    "download",
    "end-others",
    "erase",
    "events",
    "files",
    "finish",
    "grants",
    "heads",
    "health",
    "i",
    "keys",
    "leaves",
    "link",
    "links",
    "login",
    "logout",
    "lookup",
    "manifest",
    "me",
    "members",
    "metadata",
    "nonce",
    "notify",
    "open",
    "openapi.json",
    "others",
    "page",
    "passkey",
    "passkeys",
    "parts",
    "pins",
    "preview",
    "presigned",
    "proof",
    "ready",
    "receipt",
    "recover",
    "refresh",
    "remove",
    "request_otp",
    "reset",
    "s",
    "s3",
    "second",
    "session",
    "sessions",
    "share",
    "stats",
    "status",
    "stop",
    "store",
    "terms",
    "ticket",
    "totp",
    "tree",
    "upload",
    "uploads",
    "users",
    "v0",
    "v0-files",
    "v1",
    "vault",
    "verify",
    "version",
    "watch",
    "whoami",
];
/// Most steps of a path that are written.
const STEPS_MAX: usize = 10;

/// A path as the log may show it.
pub(crate) fn class_of(path: &str) -> String {
    let mut shown = String::with_capacity(path.len().min(96));
    for step in path.split('/').skip(1).take(STEPS_MAX) {
        shown.push('/');
        if step.is_empty() {
            continue;
        }
        shown.push_str(if WORDS.contains(&step) { step } else { "{}" });
    }
    if shown.is_empty() { "-".to_owned() } else { shown }
}

/// Whether a connection on this path stays open to tell what happens.
pub(crate) fn is_watch(path: &str) -> bool {
    path == proto::paths::EVENTS
}

#[cfg(test)]
mod tests {
    use proto::paths;

    use super::*;

    #[test]
    fn ids_are_left_out_and_words_stay() {
        for path in [
            paths::PART,
            paths::LINK_OPEN,
            paths::LINK_PAGE,
            paths::BOX_PART,
            paths::GRANT,
            paths::V0_METADATA,
        ] {
            let filled: Vec<_> = path
                .split('/')
                .map(|step| if step.starts_with('{') { "Zm9v-secret" } else { step })
                .collect();
            let expected: Vec<_> =
                path.split('/').map(|step| if step.starts_with('{') { "{}" } else { step }).collect();
            assert_eq!(class_of(&filled.join("/")), expected.join("/"));
        }
        for path in [paths::EVENTS, paths::READY, paths::SESSION, paths::V0_OTP_ROOT, paths::BATCH] {
            assert_eq!(class_of(path), path);
        }
    }

    #[test]
    fn a_long_or_strange_path_shows_nothing_of_itself() {
        assert_eq!(class_of("/s/secret/../../etc"), "/s/{}/{}/{}/{}");
        assert_eq!(class_of(&"/secret".repeat(40)), "/{}".repeat(STEPS_MAX));
        assert_eq!(class_of("*"), "-");
    }
}
