//! Which path leads to which route, and the layers around them.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use proto::paths;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::error::Refusal;
use crate::observe;
use crate::routes::{
    account, activity, auth, boxes, content, directory, doctor, events, files, health, links, pages, pins,
    uploads, v0, vault,
};
use crate::state::App;

/// How much longer than others a complete may take: it reads a leaf list and checks hundreds of signatures.
const COMPLETE_FACTOR: u32 = 10;

/// All routes over one state.
pub(crate) fn router(app: App) -> Router {
    let patience = Duration::from_secs(app.limits.request_seconds);
    let quick = Router::new()
        .route(paths::CODE, post(auth::code::send))
        .route(paths::SESSION, post(auth::session::open))
        .route(paths::REFRESH, post(auth::refresh::renew))
        .route(paths::LOGOUT, post(auth::logout::end))
        .route(paths::SECOND, post(auth::second::show))
        .route(paths::SESSIONS, get(auth::sessions::list))
        .route(paths::ONE_SESSION, delete(auth::sessions::end))
        .route(paths::OTHER_SESSIONS, post(auth::sessions::end_others))
        .route(paths::TOTP, post(auth::totp::offer))
        .route(paths::TOTP_CONFIRM, post(auth::totp::confirm))
        .route(paths::TOTP_REMOVE, post(auth::totp::remove))
        .route(paths::PASSKEYS, post(auth::passkeys::begin).get(auth::passkeys::list))
        .route(paths::PASSKEYS_FINISH, post(auth::passkeys::finish))
        .route(paths::ONE_PASSKEY, put(auth::passkeys::rename))
        .route(paths::PASSKEY_REMOVE, post(auth::passkeys::remove))
        .route(paths::PASSKEY, post(auth::passkey::begin))
        .route(paths::PASSKEY_SESSION, post(auth::passkey::open))
        .route(paths::SECOND_PASSKEY, post(auth::second::begin_passkey))
        .route(paths::SECOND_PASSKEY_FINISH, post(auth::second::show_passkey))
        .route(paths::BACKUP_CODES, post(auth::totp::renew_backup_codes))
        .route(paths::WHOAMI, get(auth::whoami::show))
        .route(paths::MY_BUNDLE, put(directory::publish::publish).get(directory::mine::show))
        .route(paths::VAULT, put(vault::put).get(vault::get))
        .route(paths::ERASE, post(account::erase::erase))
        .route(paths::NOTIFY, get(account::notify::show).put(account::notify::set))
        .route(paths::RESET, post(directory::reset::begin))
        .route(paths::RESET_STOP, post(directory::reset::stop))
        .route(paths::PINS, put(pins::put).get(pins::get))
        .route(paths::VAULT_REMOVE, post(vault::remove))
        .route(paths::LOOKUP, post(directory::lookup::find))
        .route(paths::CHAIN, get(directory::chain::show))
        .route(paths::UPLOADS, post(uploads::begin::begin).get(uploads::list::list))
        .route(paths::UPLOAD, get(uploads::status::show).delete(uploads::abandon::abandon))
        .route(paths::FILES, get(files::list::list))
        .route(paths::CHANGES, get(files::changes::list))
        .route(paths::FILE, get(files::info::show).delete(files::delete::delete))
        .route(paths::CIDS, get(files::cids::show))
        .route(paths::TICKET, post(files::ticket::take))
        .route(paths::GRANT, delete(files::revoke::revoke))
        .route(paths::KEY, delete(files::revoke::revoke_key))
        .route(paths::MY_GRANT, put(files::replace::replace))
        .route(paths::STOP, post(files::stop::stop))
        .route(paths::MANIFEST, put(files::rename::rename))
        .route(paths::TERMS, put(files::change::change))
        .route(paths::RECEIPT, post(files::receipt::keep))
        .route(paths::LINKS, post(links::make::make).get(links::list::list))
        .route(paths::LINK, put(links::change::change).delete(links::revoke::revoke))
        .route(paths::LINK_NONCE, post(links::nonce::give))
        .route(paths::LINK_OPEN, post(links::open::open))
        .route(paths::BOXES, post(boxes::make::make).get(boxes::list::list))
        .route(paths::BOX, get(boxes::view::show).delete(boxes::close::close))
        .route(paths::BOX_UPLOADS, post(boxes::visit::begin))
        .route(paths::BOX_UPLOAD, get(boxes::visit::status).delete(boxes::visit::abandon))
        .route(paths::LINK_PAGE, get(pages::link))
        .route(paths::BOX_PAGE, get(pages::drop_box))
        .route(paths::INVITATION_PAGE, get(pages::invitation))
        .route(paths::ACTIVITY, get(activity::list::list))
        .route(paths::HEADS, get(activity::heads::show))
        .route(paths::V0_OTP, post(v0::sign_in::request_otp))
        .route(paths::V0_OTP_ROOT, post(v0::sign_in::request_otp))
        .route(paths::V0_LOGIN, post(v0::sign_in::login))
        .route(paths::V0_LOGIN_ROOT, post(v0::sign_in::login))
        .route(paths::V0_REFRESH, post(v0::sign_in::refresh))
        .route(paths::V0_REFRESH_ROOT, post(v0::sign_in::refresh))
        .route(paths::V0_LOGOUT, post(v0::sign_in::logout))
        .route(paths::V0_LOGOUT_ROOT, post(v0::sign_in::logout))
        .route(paths::V0_PRESIGNED, post(v0::s3::presigned))
        .route(paths::V0_PRESIGNED_ROOT, post(v0::s3::presigned))
        .route(paths::V0_FILES, get(v0::list::list))
        .route(paths::V0_FILES_ROOT, get(v0::list::list))
        .route(paths::V0_METADATA, get(v0::file::metadata))
        .route(paths::V0_METADATA_ROOT, get(v0::file::metadata))
        .route(paths::V0_STATS, get(v0::stats::show))
        .route(paths::V0_STATS_ROOT, get(v0::stats::show))
        .route(paths::V0_HEALTH, get(health::status::show))
        .route(paths::V0_NATIVE_LIST, get(v0::list::native))
        .route(paths::MEMBERS, post(content::members::show))
        .route(paths::HEALTH, get(health::status::show))
        .route(paths::READY, get(health::ready::show))
        .layer(time_limit(patience));
    let thorough = Router::new()
        .route(paths::COMPLETE, post(uploads::complete::complete))
        .route(paths::BOX_COMPLETE, post(boxes::visit::complete))
        .route(paths::BATCH, post(files::batch::take))
        .route(paths::GRANTS, post(files::share::share))
        .layer(time_limit(patience * COMPLETE_FACTOR));
    // Bodies of unbounded time: their pauses are limited instead.
    let streaming = Router::new()
        .route(paths::PART, put(uploads::parts::put::put))
        .route(paths::PART_DIRECT, put(uploads::parts::direct::confirm).post(uploads::parts::direct::ask))
        .route(paths::BOX_PART, put(boxes::visit::put))
        .route(paths::TREE, get(content::tree::fetch))
        .route(paths::LEAVES, get(content::leaves::fetch))
        .route(paths::CONTENT, get(content::part::fetch))
        .route(paths::EVENTS, get(events::watch))
        .route(paths::V0_UPLOAD, post(v0::upload::take))
        .route(paths::V0_UPLOAD_ROOT, post(v0::upload::take))
        // It reads a whole object before it answers.
        .route(paths::V0_S3, post(v0::s3::uploaded))
        .route(paths::V0_S3_ROOT, post(v0::s3::uploaded))
        .route(paths::V0_FILE, get(v0::file::fetch).delete(v0::delete::delete))
        .route(paths::V0_FILE_ROOT, get(v0::file::fetch).delete(v0::delete::delete));
    quick
        .merge(thorough)
        .merge(streaming)
        .merge(doctor::routes())
        .fallback(async || Refusal::not_found())
        .layer(axum::middleware::from_fn_with_state(app.clone(), crate::live::noticed))
        .layer(axum::middleware::from_fn_with_state(app.clone(), crate::http::refuse_old))
        .layer(
            ServiceBuilder::new()
                .layer(axum::middleware::from_fn_with_state(app.clone(), observe::observe))
                .layer(CatchPanicLayer::custom(observe::panicked)),
        )
        .with_state(app)
}

fn time_limit(patience: Duration) -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, patience)
}
