//! The object-store driver against stores that are silent, that lie, and that never end.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use blobs::{BlobError, BlobName, Blobs, Retry, RetryPolicy, S3, S3Options, conformance};
use conformance::{fetch, put, sample};
use futures::TryStreamExt;
use tokio::time::timeout;

use super::liar::{Answer, Liar, hasty};
use super::put_sized;
use super::store::{BUCKET, keys};

const NAME: BlobName = BlobName::from_bytes([0xab; 16]);

/// One octet more than fits into one chunk.
const TWO_CHUNKS: usize = (5 << 20) + 1;

/// More than the driver takes of anything and the system's buffers hold on top.
const MUCH: usize = 64 << 20;

const NS: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

const QUICK: RetryPolicy =
    RetryPolicy { attempts: 4, first_wait: Duration::from_millis(1), longest_wait: Duration::from_millis(1) };

/// Fails where a call does not come to its end by itself.
async fn bounded<T>(call: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), call).await.expect("the driver ends it")
}

fn is_odd(error: &BlobError) -> bool {
    matches!(error, BlobError::Io(error) if error.kind() == io::ErrorKind::InvalidData)
}

fn is_forbidden(error: &BlobError) -> bool {
    matches!(error, BlobError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied)
}

async fn list(blobs: &dyn Blobs) -> Result<Vec<BlobName>, BlobError> {
    blobs.list().await?.map_ok(|blob| blob.name).try_collect().await
}

async fn put_two_chunks(blobs: &dyn Blobs) -> Result<(), BlobError> {
    put(blobs, NAME, &sample(TWO_CHUNKS), 1 << 20).await
}

fn ok(headers: &str) -> Answer {
    Answer::of("200 OK", headers, "")
}

fn absent() -> Answer {
    Answer::of("404 Not Found", "", "")
}

fn part(range: &str, body: &str) -> Answer {
    Answer::of("206 Partial Content", &format!("Content-Range: {range}\r\n"), body)
}

/// A page of a listing; a token says that another one follows.
fn page(names: &[String], token: Option<&str>) -> Answer {
    let objects: String = names
        .iter()
        .map(|key| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><Size>6</Size></Contents>"
            )
        })
        .collect();
    let next = token.map_or("<IsTruncated>false</IsTruncated>".to_owned(), |token| {
        format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>")
    });
    let body = format!("<ListBucketResult xmlns=\"{NS}\">{next}{objects}</ListBucketResult>");
    Answer::of("200 OK", "", &body)
}

/// A page of uploads that were begun long ago, with what says whether another one follows.
fn uploads(names: &[String], next: &str) -> Answer {
    let uploads: String = names
        .iter()
        .map(|key| {
            format!(
                "<Upload><Key>{key}</Key><UploadId>u</UploadId><Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload>"
            )
        })
        .collect();
    let body =
        format!("<ListMultipartUploadsResult xmlns=\"{NS}\">{next}{uploads}</ListMultipartUploadsResult>");
    Answer::of("200 OK", "", &body)
}

/// A store that knows uploads in chunks, with its answers to each chunk and to the end of the upload.
fn upload(method: &str, target: &str, chunk: Answer, end: Answer) -> Answer {
    let begun = format!(
        "<InitiateMultipartUploadResult xmlns=\"{NS}\"><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    );
    match method {
        "HEAD" => absent(),
        "POST" if target.contains("uploads=") => Answer::of("200 OK", "", &begun),
        "POST" => end,
        "PUT" => chunk,
        _ => ok(""),
    }
}

#[tokio::test]
async fn a_store_that_is_silent_after_the_connection_is_not_available() {
    let store = Liar::always(Answer::raw("").then_silence()).await;
    let blobs = store.open_hasty();
    assert!(bounded(fetch(&blobs, NAME, 0..6)).await.unwrap_err().is_transient());
    assert!(bounded(blobs.len(NAME)).await.unwrap_err().is_transient());
    assert!(bounded(blobs.delete(NAME)).await.unwrap_err().is_transient());
    assert!(bounded(list(&blobs)).await.unwrap_err().is_transient());
    assert!(bounded(blobs.sweep_temporary(Duration::ZERO)).await.unwrap_err().is_transient());
    assert!(bounded(blobs.health()).await.unwrap_err().is_transient());
    assert!(bounded(put(&blobs, NAME, b"sealed", 6)).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_store_that_is_silent_after_the_head_is_not_available() {
    let head = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-5/6\r\nContent-Length: 6\r\n\r\n";
    let store = Liar::always(Answer::raw(head).then_silence()).await;
    assert!(bounded(fetch(&store.open_hasty(), NAME, 0..6)).await.unwrap_err().is_transient());
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let store = Liar::always(Answer::raw(head).then_silence()).await;
    assert!(bounded(list(&store.open_hasty())).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_store_that_is_silent_in_the_middle_of_a_body_is_not_available() {
    let half = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-5/6\r\nContent-Length: 6\r\n\r\nsea";
    let store = Liar::always(Answer::raw(half).then_silence()).await;
    assert!(bounded(fetch(&store.open_hasty(), NAME, 0..6)).await.unwrap_err().is_transient());
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<ListBucketResult";
    let store = Liar::always(Answer::raw(half).then_silence()).await;
    assert!(bounded(list(&store.open_hasty())).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_refusal_whose_words_never_come_is_still_a_refusal() {
    let head = "HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\n";
    let store = Liar::always(Answer::raw(head).then_silence()).await;
    // Patient enough for the head on any machine, so that it is the words that are missing.
    let mut options = store.options();
    options.silence = Duration::from_secs(2);
    let blobs = S3::new(&options, keys()).unwrap();
    let refused = bounded(fetch(&blobs, NAME, 0..6)).await.unwrap_err();
    assert!(is_forbidden(&refused), "{refused:?}");
}

#[tokio::test]
async fn an_upload_that_is_never_acknowledged_ends() {
    let silence = || Answer::raw("").then_silence();
    let store = Liar::start(move |method, target| upload(method, target, silence(), silence())).await;
    let blobs = store.open_hasty();
    assert!(bounded(put(&blobs, NAME, b"sealed", 6)).await.unwrap_err().is_transient());
    assert!(bounded(put_two_chunks(&blobs)).await.unwrap_err().is_transient());
    assert!(bounded(put_sized(&blobs, NAME, &sample(TWO_CHUNKS))).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_store_that_takes_no_octets_is_given_up() {
    // It accepts connections (the system does so for it) and never reads.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let blobs = hasty(S3Options::new(endpoint, "us-east-1", BUCKET));
    assert!(bounded(put_two_chunks(&blobs)).await.unwrap_err().is_transient());
    assert!(bounded(put_sized(&blobs, NAME, &sample(MUCH / 2))).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_head_without_an_end_is_read_up_to_a_bound() {
    let filler = "X-Filler: x\r\n".repeat(1000);
    let store = Liar::always(Answer::raw("HTTP/1.1 200 OK\r\n").then_forever(filler)).await;
    assert!(bounded(list(&store.open())).await.is_err());
    assert!(store.endless() < MUCH);
}

#[tokio::test]
async fn an_answer_that_is_announced_for_ever_is_not_available() {
    let preludes = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
    let store = Liar::always(Answer::raw("").then_forever(preludes)).await;
    assert!(bounded(list(&store.open_hasty())).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_an_error() {
    for rest in [
        "Content-Length: 6\r\n\r\nsea",
        "Content-Length: 3\r\n\r\nsea",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nsea\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nsea\r\n0\r\n\r\n",
        "\r\nsea",
    ] {
        let cut = format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-5/6\r\n{rest}");
        let store = Liar::always(Answer::raw(cut).then_end()).await;
        let error = bounded(fetch(&store.open(), NAME, 0..6)).await.unwrap_err();
        assert!(error.is_transient(), "{rest}: {error:?}");
    }
}

#[tokio::test]
async fn more_octets_than_were_asked_for_are_not_taken() {
    for rest in [
        "Content-Length: 9\r\n\r\nsealedxyz",
        "Transfer-Encoding: chunked\r\n\r\n6\r\nsealed\r\n3\r\nxyz\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nsea\r\n6\r\nledxyz\r\n0\r\n\r\n",
        "\r\nsealedxyz",
    ] {
        let long = format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-5/9\r\n{rest}");
        let store = Liar::always(Answer::raw(long).then_end()).await;
        // How the octets are cut on the way decides whether the driver sees that there are more.
        match bounded(fetch(&store.open(), NAME, 0..6)).await {
            Ok(octets) => assert_eq!(octets, b"sealed", "{rest}"),
            Err(error) => assert!(is_odd(&error), "{rest}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn a_range_that_was_not_asked_for_is_refused() {
    for range in [
        "bytes 0-5/9",
        "bytes 2-7/9",
        "bytes 1-5/9",
        "bytes 1-7/9",
        "bytes 6-1/9",
        "bytes */9",
        "bytes 1-6/*",
        "bytes 1-6",
        "octets 1-6/9",
        "",
    ] {
        let store = Liar::always(part(range, "sealed")).await;
        let error = bounded(fetch(&store.open(), NAME, 1..7)).await.unwrap_err();
        assert!(is_odd(&error), "{range}: {error:?}");
    }
    let store = Liar::always(Answer::of("206 Partial Content", "", "sealed")).await;
    assert!(is_odd(&bounded(fetch(&store.open(), NAME, 1..7)).await.unwrap_err()), "not described");
    let store = Liar::always(part("bytes 1-6/9", "sealed")).await;
    assert_eq!(bounded(fetch(&store.open(), NAME, 1..7)).await.unwrap(), b"sealed");
}

#[tokio::test]
async fn a_whole_object_in_place_of_a_range_is_refused() {
    let store = Liar::always(Answer::of("200 OK", "", "sealed")).await;
    for range in [0..6, 1..3] {
        let error = bounded(fetch(&store.open(), NAME, range)).await.unwrap_err();
        assert!(is_odd(&error), "{error:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_no_signature_goes_elsewhere() {
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let location = format!("Location: http://{}/{BUCKET}/{NAME}\r\n", elsewhere.local_addr().unwrap());
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let moved = Answer::of(status, &location, "");
        let store = Liar::always(moved.clone()).await;
        let blobs = store.open();
        let lasts = |error: BlobError| assert!(!error.is_transient(), "{status}: {error:?}");
        lasts(bounded(fetch(&blobs, NAME, 0..6)).await.unwrap_err());
        lasts(bounded(blobs.len(NAME)).await.unwrap_err());
        lasts(bounded(blobs.delete(NAME)).await.unwrap_err());
        lasts(bounded(list(&blobs)).await.unwrap_err());
        lasts(bounded(blobs.sweep_temporary(Duration::ZERO)).await.unwrap_err());
        lasts(bounded(blobs.health()).await.unwrap_err());
        lasts(bounded(put_two_chunks(&blobs)).await.unwrap_err());
        // The name is free here, so that the writes themselves are sent.
        let store =
            Liar::start(move |method, _| if method == "HEAD" { absent() } else { moved.clone() }).await;
        let blobs = store.open();
        lasts(bounded(put(&blobs, NAME, b"sealed", 6)).await.unwrap_err());
        lasts(bounded(put_sized(&blobs, NAME, &sample(TWO_CHUNKS))).await.unwrap_err());
        assert_eq!(store.asked("PUT"), 2);
    }
    // Who had connected would wait here, whether or not anything was said.
    assert_eq!(elsewhere.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_chunk_without_an_etag_is_an_error_and_its_upload_is_ended() {
    for etag in ["", "ETag: \r\n", "ETag: é\r\n"] {
        let store = Liar::start(move |method, target| upload(method, target, ok(etag), ok(""))).await;
        let error = bounded(put_two_chunks(&store.open())).await.unwrap_err();
        assert!(is_odd(&error), "{etag}: {error:?}");
        bounded(upload_ended(&store)).await;
        assert_eq!(store.asked("POST"), 1, "begun and not completed");
    }
}

/// A task of its own ends an upload.
async fn upload_ended(store: &Liar) {
    while store.asked("DELETE") == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_wrong_etag_is_passed_on_as_text_and_its_refusal_is_an_error() {
    let refusal = "<Error><Code>InvalidPart</Code></Error>";
    let store = Liar::start(move |method, target| {
        let end = Answer::of("400 Bad Request", "", refusal);
        upload(method, target, ok("ETag: </ETag><Part>&\r\n"), end)
    })
    .await;
    let error = bounded(put_two_chunks(&store.open())).await.unwrap_err();
    assert!(is_odd(&error), "{error:?}");
    let said = store.last_body("POST");
    assert_eq!(said.matches("<Part>").count(), 2, "{said}");
    assert_eq!(said.matches("&lt;/ETag&gt;&lt;Part&gt;&amp;").count(), 2, "{said}");
    bounded(upload_ended(&store)).await;
}

#[tokio::test]
async fn a_completion_that_says_yes_and_then_names_an_error_is_an_error() {
    for (body, is_passing) in [
        ("<Error><Code>InvalidPart</Code></Error>", false),
        ("<Error><Code>InternalError</Code></Error>", true),
        ("<Error><Code>SlowDown</Code></Error>", true),
        ("<CompleteMultipartUploadResult/>", false),
        ("", false),
    ] {
        let store = Liar::start(move |method, target| {
            upload(method, target, ok("ETag: \"a\"\r\n"), Answer::of("200 OK", "", body))
        })
        .await;
        let error = bounded(put_two_chunks(&store.open())).await.unwrap_err();
        assert_eq!(error.is_transient(), is_passing, "{body}: {error:?}");
        bounded(upload_ended(&store)).await;
    }
}

#[tokio::test]
async fn an_answer_before_the_last_octets_is_no_success() {
    let store = Liar::start(|method, _| match method {
        "PUT" => ok("").before_the_body(),
        _ => absent(),
    })
    .await;
    // More than the system's buffers take, so that the answer is there long before the end.
    let lost = bounded(put_sized(&store.open(), NAME, &sample(MUCH / 2))).await;
    assert!(lost.is_err());
}

#[tokio::test]
async fn a_text_without_an_end_is_read_up_to_a_bound() {
    let endless = |status: &str| {
        let head = format!("HTTP/1.1 {status}\r\n\r\n");
        Answer::raw(head).then_forever(" ".repeat(1 << 16))
    };
    let store = Liar::always(endless("200 OK")).await;
    let error = bounded(list(&store.open())).await.unwrap_err();
    assert!(is_odd(&error) && store.endless() < MUCH, "a listing: {error:?}");
    let store = Liar::always(endless("200 OK")).await;
    let error = bounded(store.open().sweep_temporary(Duration::ZERO)).await.unwrap_err();
    assert!(is_odd(&error) && store.endless() < MUCH, "a list of uploads: {error:?}");
    let store = Liar::always(endless("403 Forbidden")).await;
    let error = bounded(fetch(&store.open(), NAME, 0..6)).await.unwrap_err();
    assert!(is_forbidden(&error) && store.endless() < MUCH, "a refusal: {error:?}");
    let store =
        Liar::start(move |method, target| upload(method, target, ok("ETag: \"a\"\r\n"), endless("200 OK")))
            .await;
    let error = bounded(put_two_chunks(&store.open())).await.unwrap_err();
    assert!(is_odd(&error) && store.endless() < MUCH, "the end of an upload: {error:?}");
}

#[tokio::test]
async fn a_listing_that_is_nested_without_measure_is_an_error() {
    let nested = format!("<ListBucketResult xmlns=\"{NS}\">{}", "<a>".repeat(1 << 20));
    let store = Liar::always(Answer::of("200 OK", "", &nested)).await;
    let error = bounded(list(&store.open())).await.unwrap_err();
    assert!(is_odd(&error), "{error:?}");
}

#[tokio::test]
async fn a_listing_that_goes_in_a_circle_ends() {
    for circle in [1, 3] {
        let pages = AtomicUsize::new(0);
        let store = Liar::start(move |_, _| {
            let token = pages.fetch_add(1, Ordering::Relaxed) % circle;
            page(&[NAME.to_string()], Some(&token.to_string()))
        })
        .await;
        let error = bounded(list(&store.open())).await.unwrap_err();
        assert!(is_odd(&error), "{error:?}");
        assert!(store.asked("GET") < 10, "a circle of {circle}");
    }
}

#[tokio::test]
async fn a_token_that_fits_into_no_address_is_an_error() {
    let store = Liar::always(page(&[], Some(&"x".repeat(1 << 20)))).await;
    let error = bounded(list(&store.open())).await.unwrap_err();
    assert!(!error.is_transient(), "{error:?}");
    assert_eq!(store.asked("GET"), 1);
}

#[tokio::test]
async fn uploads_that_are_listed_without_an_end_end_the_sweep() {
    let next = "<IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>";
    let store = Liar::always(uploads(&[], next)).await;
    assert_eq!(bounded(store.open().sweep_temporary(Duration::ZERO)).await.unwrap(), 0);
    assert!(store.asked("GET") <= 100);
}

#[tokio::test]
async fn keys_that_are_no_blobs_of_ours_are_left_alone() {
    let alien = ["", "ours/", "ours/readme", "ours/../x", "theirs/x"].map(str::to_owned);
    let mut alien = Vec::from(alien);
    alien.extend([NAME.to_string(), format!("theirs/{NAME}"), format!("ours/{NAME}/x")]);
    alien.push(format!("ours/{}", NAME.to_string().to_uppercase()));
    let store = Liar::start(move |_, target| {
        if target.contains("list-type") {
            page(&[alien.as_slice(), &[format!("ours/{NAME}")]].concat(), None)
        } else {
            uploads(&alien, "")
        }
    })
    .await;
    let mut options = store.options();
    options.prefix = "ours".into();
    let blobs = S3::new(&options, keys()).unwrap();
    assert_eq!(bounded(list(&blobs)).await.unwrap(), [NAME]);
    assert_eq!(bounded(blobs.sweep_temporary(Duration::ZERO)).await.unwrap(), 0);
    assert_eq!((store.asked("GET"), store.asked("DELETE")), (2, 0));
}

#[tokio::test]
async fn a_busy_store_is_asked_again_and_then_given_up() {
    let busy = Answer::of("503 Slow Down", "", "<Error><Code>SlowDown</Code></Error>");
    let (refusal, asked) = (busy.clone(), AtomicUsize::new(0));
    let store = Liar::start(move |_, _| match asked.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => refusal.clone(),
        _ => part("bytes 0-5/6", "sealed"),
    })
    .await;
    let blobs = Retry::new(store.open(), QUICK);
    assert_eq!(bounded(fetch(&blobs, NAME, 0..6)).await.unwrap(), b"sealed");
    assert_eq!(store.asked("GET"), 3);
    let store = Liar::always(busy).await;
    let blobs = Retry::new(store.open(), QUICK);
    assert!(bounded(fetch(&blobs, NAME, 0..6)).await.unwrap_err().is_transient());
    assert_eq!(store.asked("GET"), 4);
}

#[tokio::test]
async fn a_store_that_forbids_is_not_asked_again() {
    let store =
        Liar::always(Answer::of("403 Forbidden", "", "<Error><Code>AccessDenied</Code></Error>")).await;
    let blobs = Retry::new(store.open(), QUICK);
    let error = bounded(fetch(&blobs, NAME, 0..6)).await.unwrap_err();
    assert!(is_forbidden(&error), "{error:?}");
    assert_eq!(store.asked("GET"), 1);
}
