//! The pages of links, drop boxes and invitations: a few words for a person, the same for every id. They hold no key,
//! run no script, load nothing, and ask nothing: whoever previews or crawls them learns and uses up nothing.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

macro_rules! page {
    ($title:literal, $body:literal) => {
        concat!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Waxwing</title>\n",
            "<meta name=\"viewport\" content=\"width=device-width\">\n",
            "<meta name=\"robots\" content=\"noindex, nofollow\">\n</head>\n<body>\n<h1>",
            $title,
            "</h1>\n",
            $body,
            "\n</body>\n</html>\n"
        )
    };
}

/// The secret stands behind the `#`, which a browser keeps to itself; a page without script does not see it either.
const LINK: &str = page!(
    "Somebody shared a file with you",
    "<p>It is encrypted. The key is the part of this page's address behind the <code>#</code>, which never reached \
     the server. To open it, copy the whole address from the address bar and run</p>\
     <pre>wax get 'ADDRESS'</pre>\
     <p>If the link does not exist or is no longer available, <code>wax</code> says so. It asks for the password, if there \
     is one.</p>"
);

const DROP_BOX: &str = page!(
    "Somebody asks you for files",
    "<p>What you send is encrypted on your device for whoever made this drop box. To send, copy the whole address of this \
     page from the address bar and run</p>\
     <pre>wax send FILE --to-box 'ADDRESS'</pre>"
);

const INVITATION: &str = page!(
    "Somebody gave you their keys",
    "<p>Whoever adds this invitation can send them files that nobody else can open. Copy the whole address of this page \
     from the address bar and run</p>\
     <pre>wax contacts add 'ADDRESS'</pre>"
);

pub(crate) async fn link() -> Response {
    page(LINK)
}

pub(crate) async fn drop_box() -> Response {
    page(DROP_BOX)
}

pub(crate) async fn invitation() -> Response {
    page(INVITATION)
}

fn page(text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
