//! Requests of web pages: the header by which they say so, where they come from, and the cookie that only the browser
//! reads.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use proto::headers::{BROWSER, REFRESH_COOKIE, SESSION};
use proto::limits::REFRESH_SECONDS;
use proto::{BrowserRefreshRequest, Code, RefreshRequest, Token};

use super::{Json, single};
use crate::error::Refusal;
use crate::state::App;

/// Who keeps the refresh token of a session: a program by itself, or a browser in a cookie that no script reads.
///
/// As an extractor it lets nothing through that another site's page may have caused: a browser's request must name this
/// server's own origin, and the cookie is good for nothing without the header that says whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeper {
    Program,
    Browser,
}

impl FromRequestParts<App> for Keeper {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        match single(&parts.headers, SESSION)? {
            Some(BROWSER) => {
                from_own_page(app, &parts.headers)?;
                Ok(Self::Browser)
            }
            Some(_) => Err(Refusal::malformed("The header waxwing-session is not one that is known here.")),
            None if has_cookie(&parts.headers) => {
                Err(cross_site("A request with the cookie of a session needs the header waxwing-session."))
            }
            None => Ok(Self::Program),
        }
    }
}

/// The refresh token that a request shows, from the one place where its kind may stand.
pub(crate) struct Presented {
    pub(crate) keeper: Keeper,
    /// None: a browser without the cookie.
    pub(crate) token: Option<Token>,
}

impl FromRequest<App> for Presented {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let keeper = Keeper::from_request_parts(&mut parts, app).await?;
        let cookie = refresh_cookie(&parts.headers);
        let request = Request::from_parts(parts, body);
        let token = match keeper {
            Keeper::Browser => {
                let Json(BrowserRefreshRequest {}) = Json::from_request(request, app).await?;
                cookie
            }
            Keeper::Program => {
                let Json(RefreshRequest { refresh_token }) = Json::from_request(request, app).await?;
                Some(refresh_token)
            }
        };
        Ok(Self { keeper, token })
    }
}

/// Puts a refresh token into the cookie.
pub(crate) fn kept_in_cookie(response: Response, token: &Token) -> Response {
    with_cookie(response, &format!("{REFRESH_COOKIE}={}", token.expose_secret()), REFRESH_SECONDS)
}

/// Has the browser forget the cookie.
pub(crate) fn forgotten(response: Response) -> Response {
    with_cookie(response, &format!("{REFRESH_COOKIE}="), 0)
}

/// `__Host-` holds the browser to what stands here: this host alone, every path, TLS only.
fn with_cookie(mut response: Response<Body>, pair: &str, max_age: i64) -> Response {
    let cookie = format!("{pair}; Path=/; Max-Age={max_age}; Secure; HttpOnly; SameSite=Strict");
    // A token is base64url, so this is always a header.
    if let Ok(mut value) = HeaderValue::from_str(&cookie) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// Refuses what a page of another site asks, also where the browser sends it without asking us first, as it does for
/// WebSockets. Says whether it is a page of this server's own that asks; a program names no origin.
pub(crate) fn not_from_another_site(app: &App, headers: &HeaderMap) -> Result<bool, Refusal> {
    match (single(headers, header::ORIGIN.as_str())?, single(headers, "sec-fetch-site")?) {
        (None, None) => Ok(false),
        // Browsers leave the origin out where a page asks its own server by GET.
        (None, Some("same-origin")) => Ok(true),
        (None, Some(_)) => {
            Err(cross_site("The request comes from a page of another address than this server's own."))
        }
        (Some(_), _) => from_own_page(app, headers).map(|()| true),
    }
}

/// Browsers themselves write both headers; no script can.
fn from_own_page(app: &App, headers: &HeaderMap) -> Result<(), Refusal> {
    let public = app.public.as_ref().ok_or_else(|| {
        Refusal::new(
            Code::NotOffered,
            "This server does not know under which address browsers reach it. Its operator has to set PUBLIC_URL.",
        )
    })?;
    let elsewhere = || cross_site("The request comes from a page of another address than this server's own.");
    if single(headers, header::ORIGIN.as_str())? != Some(public.origin()) {
        return Err(elsewhere());
    }
    match single(headers, "sec-fetch-site")? {
        // Only very old browsers leave it out; they still name the origin.
        None | Some("same-origin") => Ok(()),
        Some(_) => Err(elsewhere()),
    }
}

fn cross_site(detail: &'static str) -> Refusal {
    Refusal::new(Code::CrossSite, detail)
}

fn has_cookie(headers: &HeaderMap) -> bool {
    refresh_cookies(headers).next().is_some()
}

/// The cookie's token; none where two claim to be it.
fn refresh_cookie(headers: &HeaderMap) -> Option<Token> {
    let mut found = refresh_cookies(headers);
    match (found.next(), found.next()) {
        (Some(token), None) => Some(Token::new(token.to_owned())),
        _ => None,
    }
}

fn refresh_cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == REFRESH_COOKIE)
        .map(|(_, token)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::COOKIE, HeaderValue::from_static(value));
        }
        refresh_cookie(&headers).map(|token| token.expose_secret().to_owned())
    }

    #[test]
    fn the_cookie_is_found_among_others_by_its_whole_name() {
        let found = Some("abc".to_owned());
        assert_eq!(cookies(&["__Host-waxwing-refresh=abc"]), found);
        assert_eq!(cookies(&["a=b; __Host-waxwing-refresh=abc; c=d"]), found);
        assert_eq!(cookies(&["a=b", "__Host-waxwing-refresh=abc"]), found, "HTTP/2 may send each by itself");
        for other in ["waxwing-refresh=abc", "x__Host-waxwing-refresh=abc", "__host-waxwing-refresh=abc", ""]
        {
            assert_eq!(cookies(&[other]), None, "{other}");
        }
    }

    #[test]
    fn of_two_cookies_none_is_believed() {
        assert_eq!(cookies(&["__Host-waxwing-refresh=abc; __Host-waxwing-refresh=abd"]), None);
    }
}
