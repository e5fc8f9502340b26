//! Lengths and counts that both sides hold to.

/// Longest JSON request body, bytes (a complete with 500 grants of the largest kind fits).
pub const JSON_BODY_MAX: usize = 2 << 20;
/// Addresses in one lookup.
pub const LOOKUP_MAX: usize = 500;
/// Grants in one complete.
pub const GRANTS_MAX: usize = 500;
/// People and bare keys that one file may be given to, its author included.
pub const HOLDERS_MAX: u32 = 1_000;
/// Whole files in one [`crate::Batch`].
pub const BATCH_FILES_MAX: usize = 100;
/// Longest manifest, bytes: 184 + 106 + 512 × 127 + 32 + 64.
pub const MANIFEST_MAX: usize = 65_410;
/// Longest grant, bytes.
pub const GRANT_MAX: usize = 1_400;
/// Longest bundle, bytes.
pub const BUNDLE_MAX: usize = 16 << 10;
/// Longest address, bytes.
pub const ADDRESS_MAX: usize = 254;
/// Rows in one page of files, at most and by default.
pub const PAGE_MAX: u32 = 200;
/// Seconds for which a cursor of [`crate::paths::CHANGES`] holds; after that the answer starts from the beginning.
pub const CHANGES_SECONDS: i64 = 60 * 86_400;
/// Rows in one page of files by default.
pub const PAGE_DEFAULT: u32 = 50;
/// Batches in one reply of [`crate::paths::HEADS`].
pub const HEADS_MAX: u32 = 1_000;
/// Parts in one reply of [`crate::paths::CIDS`]: each costs a question to the node.
pub const CIDS_MAX: usize = 200;
/// Smallest part, bytes, except a last one.
pub const PART_MIN: u64 = 1 << 20;
/// Digits of a code.
pub const CODE_DIGITS: usize = 6;
/// Seconds a code lives.
pub const CODE_SECONDS: i64 = 600;
/// Tries that a code allows.
pub const CODE_ATTEMPTS: u32 = 3;
/// Seconds within which a sign-in that has proved the mailbox must show its second factor.
pub const SECOND_FACTOR_SECONDS: i64 = 600;
/// Tries at the second factor that one sign-in allows.
pub const SECOND_FACTOR_ATTEMPTS: u32 = 5;
/// Backup codes that are made at once.
pub const BACKUP_CODES: usize = 10;
/// Passkeys of one account.
pub const PASSKEYS_MAX: u32 = 10;
/// Longest name of a passkey, characters.
pub const PASSKEY_NAME_MAX: usize = 64;
/// Seconds within which a passkey must be shown once it was asked for.
pub const CEREMONY_SECONDS: i64 = 300;
/// Seconds by which the time of a proof may differ from the server's.
pub const PROOF_SECONDS: i64 = 600;
/// Seconds until new keys take the place of lost ones.
pub const RESET_SECONDS: i64 = 72 * 3_600;
/// Longest name of a client that is kept with its session, bytes.
pub const CLIENT_MAX: usize = 64;
/// Seconds an access token lives.
pub const ACCESS_SECONDS: i64 = 3_600;
/// Seconds an access token of a browser lives.
pub const BROWSER_ACCESS_SECONDS: i64 = 900;
/// Seconds a refresh token lives.
pub const REFRESH_SECONDS: i64 = 7 * 86_400;
/// Seconds within which the same refresh is answered again, for a client whose answer was lost.
pub const REFRESH_GRACE_SECONDS: u32 = 30;
/// Seconds a ticket lives.
pub const TICKET_SECONDS: i64 = 600;
/// Seconds within which a download id counts once.
pub const DOWNLOAD_SECONDS: i64 = 86_400;
/// Members of one folder.
pub const MEMBERS_MAX: usize = 50_000;
/// Members that are asked for at once.
pub const MEMBERS_AT_ONCE: usize = 100;
/// Links to one file.
pub const LINKS_PER_FILE: u32 = 50;
/// Links of one account.
pub const LINKS_PER_ACCOUNT: u32 = 1_000;
/// Seconds within which a link's nonce must be used.
pub const LINK_NONCE_SECONDS: i64 = 60;
/// Drop boxes of one account.
pub const BOXES_PER_ACCOUNT: u32 = 100;
/// Longest description of a box, bytes.
pub const BOX_DESCRIPTION_MAX: usize = 4_354;
/// Longest life of a box, seconds.
pub const BOX_MAX_SECONDS: i64 = 366 * 86_400;
/// Uploads of visitors into one box that may be under way at once.
pub const BOX_UPLOADS_MAX: u32 = 20;
/// Seconds after which an unfinished upload of a visitor ends; it ends with its box at the latest.
pub const BOX_UPLOAD_SECONDS: i64 = 2 * 86_400;
/// Seconds after which an unfinished upload ends.
pub const UPLOAD_SECONDS: i64 = 7 * 86_400;
/// Seconds a file lives unless its author says otherwise.
pub const EXPIRY_DEFAULT_SECONDS: i64 = 7 * 86_400;
/// Longest life of a file, seconds.
pub const EXPIRY_MAX_SECONDS: i64 = 366 * 86_400;
