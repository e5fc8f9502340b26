//! Header names of our own.

/// `PUT` part: the part's Merkle node, 64 lower-case hex digits.
pub const NODE: &str = "waxwing-node";
/// Proof by the root key, base64url: Ed25519 over the action's bytes (see the protocol's page).
pub const PROOF: &str = "waxwing-proof";
/// What a visitor's upload into a drop box is known by in all its requests: 32 random bytes that the client made,
/// base64url.
pub const UPLOAD_KEY: &str = "waxwing-upload-key";
/// Ticket of a content request; preferred to the query field because it stays out of logs of others.
pub const TICKET: &str = "waxwing-ticket";
/// In what way content is wanted: [`DIRECT`] or [`CHECKED`].
pub const WAY: &str = "waxwing-way";
/// A value of [`WAY`]: also by one redirect to the object store behind the server.
pub const DIRECT: &str = "direct";
/// A value of [`WAY`]: compared with what was recorded before any of it is sent, because what came before did not authenticate.
pub const CHECKED: &str = "checked";
/// Every reply carries the request's id.
pub const REQUEST_ID: &str = "x-request-id";
/// The client's version, `wax/0.1.0`, so that a server can ask for a newer one.
pub const CLIENT: &str = "waxwing-client";
/// Says [`BROWSER`] in requests of a web page that open, renew or end a session: the refresh token then travels in
/// the cookie [`REFRESH_COOKIE`] alone. A page of another site cannot write this header.
pub const SESSION: &str = "waxwing-session";
/// The one value of [`SESSION`].
pub const BROWSER: &str = "browser";
/// The cookie that holds a browser's refresh token.
pub const REFRESH_COOKIE: &str = "__Host-waxwing-refresh";
