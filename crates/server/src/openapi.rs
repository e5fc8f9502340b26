//! What the documented API (v0) is, for programs: an OpenAPI document made from the code. The native API is not in it yet.

use proto::v0::{
    Done, FileList, FileMetadata, FileRow, LoginReply, LoginRequest, OtpRequest, Presigned, RefreshReply,
    RefreshRequest, S3Fields, StatsReply, UploadBody, Uploaded, WholeFile,
};
use proto::{Health, Problem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// A refusal: RFC 9457 with a stable code.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it describes what is answered, and is never made")]
pub(crate) enum Refused {
    /// The request cannot be read; nothing was stored
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// No token or an ended one, a wrong code, or a second factor is required
    #[response(status = 401, content_type = "application/problem+json")]
    SignIn(#[to_schema] Problem),
    /// For others, or suspended
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// Too often; Retry-After says when to come again
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(#[to_schema] Problem),
}

/// Refusals about a file.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it describes what is answered, and is never made")]
pub(crate) enum NoFile {
    /// There is no such file
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] Problem),
    /// The file has expired
    #[response(status = 410, content_type = "application/problem+json")]
    Expired(#[to_schema] Problem),
    /// A sealed file: open it with wax
    #[response(status = 415, content_type = "application/problem+json")]
    OpenWithWax(#[to_schema] Problem),
}

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

macro_rules! calls {
    ($($name:ident: $method:ident $path:literal, $what:literal, ($($more:tt)*);)*) => {
        $(
            #[utoipa::path($method, path = $path, summary = $what, $($more)*)]
            #[expect(dead_code, reason = "it describes a route")]
            fn $name() {}
        )*
    };
}

calls! {
    request_otp: post "/auth/request_otp", "Send a code",
        (request_body = OtpRequest, responses((status = 200, body = Done), Refused));
    login: post "/auth/login", "Open a session",
        (request_body = LoginRequest, responses((status = 200, body = LoginReply), Refused));
    refresh: post "/auth/refresh", "A new access token",
        (request_body = RefreshRequest, responses((status = 200, body = RefreshReply), Refused));
    logout: post "/auth/logout", "End the session",
        (responses((status = 200, body = Done), Refused), security(("bearer" = [])));
    upload: post "/upload", "Upload a file",
        (request_body = UploadBody, responses((status = 200, body = Uploaded),
            (status = 413, body = Problem, content_type = "application/problem+json"), Refused), security(("bearer" = [])));
    presigned: post "/upload/presigned", "Where to put a file in S3",
        (responses((status = 200, body = Presigned),
            (status = 501, body = Problem, content_type = "application/problem+json"), Refused), security(("bearer" = [])));
    uploaded: post "/upload/s3", "A file that was put there",
        (request_body = S3Fields, responses((status = 200, body = Uploaded), (status = 404, body = Problem,
            content_type = "application/problem+json"), (status = 501, body = Problem, content_type = "application/problem+json"), Refused), security(("bearer" = [])));
    fetch: get "/files/{file_id}", "Download a file",
        (params(("file_id" = String, Path, format = Uuid)), responses((status = 200, body = WholeFile), Refused, NoFile), security(("bearer" = [])));
    metadata: get "/files/{file_id}/metadata", "What is known of a file",
        (params(("file_id" = String, Path, format = Uuid)), responses((status = 200, body = FileMetadata), Refused, NoFile), security(("bearer" = [])));
    delete: delete "/files/{file_id}", "End a file",
        (params(("file_id" = String, Path, format = Uuid)), responses((status = 200, body = Done), Refused, NoFile), security(("bearer" = [])));
    list: get "/files", "The caller's uploads",
        (params(("after" = Option<String>, Query)), responses((status = 200, body = FileList), Refused), security(("bearer" = [])));
    stats: get "/stats", "Totals of the caller",
        (responses((status = 200, body = StatsReply), Refused), security(("bearer" = [])));
    health: get "/health", "How the server is",
        (responses((status = 200, body = Health)));
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Waxwing, the documented API (v0)", version = "0", description = "See docs/v0-api.md."),
    servers((url = "/"), (url = "/api/v0")),
    paths(request_otp, login, refresh, logout, upload, presigned, uploaded, fetch, metadata, delete, list, stats, health),
    components(schemas(FileRow)),
    modifiers(&Bearer)
)]
struct V0;

/// The document as JSON, its names in their order.
///
/// # Panics
/// Never: it is made of texts.
#[must_use]
pub fn openapi() -> String {
    let mut text = V0::openapi().to_pretty_json().expect("a document of texts always has a JSON form");
    text.push('\n');
    text
}
