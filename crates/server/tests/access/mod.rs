//! Every route for every role: the server does what the table in `spec/PROTOCOL.md` says, and nothing else.

mod request;
mod role;
mod scene;
mod table;

use std::collections::BTreeSet;

use futures::StreamExt as _;
use reqwest::{Method, StatusCode};
use server::config::SecondFactorRule;

use crate::stage::server::send;
use crate::stage::{Reply, Stage};
use role::Role;
use scene::{Ids, Scene};
use table::{Row, Table, WAITING};

/// Cells that are played at once.
const AT_ONCE: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_role_as_the_protocol_says() {
    let table = Table::of_the_protocol();
    for role in Role::ALL {
        assert!(table.roles.iter().any(|column| column == role.column()), "no column for {role:?}");
    }
    let stage = Stage::with(|config| {
        config.limits.sign_ins_per_ip = 1_000_000;
        config.limits.codes_per_address = 1_000;
        crate::v0::without_limits(config);
    })
    .await;
    // Over the same database, with the policy that the last role does not satisfy.
    let strict = stage
        .beside_with(|config| {
            config.limits.sign_ins_per_ip = 1_000_000;
            crate::v0::without_limits(config);
            config.factor.second_factor = SecondFactorRule::Required;
        })
        .await;
    let mut wrong = Vec::new();
    let mut cells = Vec::new();
    for row in &table.rows {
        for (column, cell) in table.roles.iter().zip(&row.cells) {
            match Role::ALL.into_iter().find(|role| role.column() == column) {
                Some(role) => cells.push((row, role, cell)),
                None if cell == WAITING => {}
                None => wrong.push(format!("{column} says {cell:?}, but nobody plays that role")),
            }
        }
    }
    let (stage, url) = (&stage, &strict.url());
    let plays =
        cells.into_iter().enumerate().map(|(n, (row, role, cell))| play(stage, url, row, role, cell, n));
    wrong.extend(
        futures::stream::iter(plays)
            .buffered(AT_ONCE)
            .filter_map(std::future::ready)
            .collect::<Vec<_>>()
            .await,
    );
    strict.shutdown().await;
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// One cell: the answer, and where it is "not found", that it is exactly that for what does not exist.
async fn play(stage: &Stage, strict: &str, row: &Row, role: Role, cell: &str, n: usize) -> Option<String> {
    let scene = Scene::new(stage, strict, row, role, n).await;
    let reply = send(scene.request(row, &scene.ids)).await;
    let seen = said(&reply);
    let differs = |what: &str| {
        let column = role.column();
        Some(format!("{} {} {} | {column} | {cell} | {what}", row.method, row.path, row.about))
    };
    if seen != cell {
        return differs(&seen);
    }
    if reply.status == StatusCode::NOT_FOUND && row.path.contains('{') {
        let nothing = send(scene.request(row, &Ids::of_nothing())).await;
        if without_id(&nothing) != without_id(&reply) {
            return differs("\"not yours\" differs from \"not there\"");
        }
    }
    if row.method == "GET" {
        // A HEAD is a GET whose body is kept back.
        let mut head = scene.request(row, &scene.ids).build().unwrap();
        *head.method_mut() = Method::HEAD;
        let head = stage.http.execute(head).await.unwrap().status();
        if head != reply.status {
            return differs(&format!("HEAD gives {head}"));
        }
    }
    None
}

fn said(reply: &Reply) -> String {
    // What is not offered is an answer; everything else of its class is a fault.
    let is_fault = reply.status.is_server_error() && reply.status != StatusCode::NOT_IMPLEMENTED;
    assert!(!is_fault, "{}: {:?}", reply.status, reply.body);
    match reply.status.is_success() {
        true => reply.status.as_u16().to_string(),
        false => format!("{} {}", reply.status.as_u16(), reply.code().as_str()),
    }
}

/// What a refusal says, without the id that each has of its own.
fn without_id(reply: &Reply) -> (StatusCode, String, String) {
    let body = String::from_utf8(reply.body.to_vec()).unwrap();
    let id = reply.header("x-request-id");
    assert!(body.contains(id));
    (reply.status, reply.header("content-type").to_owned(), body.replace(id, ""))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_protocol_names_every_route_that_there_is_and_no_other() {
    let table = Table::of_the_protocol();
    let stage = Stage::new().await;
    let mut served = BTreeSet::new();
    for path in table::paths_of_the_router() {
        let filled: String = path
            .split('/')
            .map(|step| if step.starts_with('{') { "0" } else { step })
            .collect::<Vec<_>>()
            .join("/");
        // No route has this method; the refusal names those that it has.
        let odd = Method::from_bytes(b"ODD").unwrap();
        let reply = send(stage.request(odd, &filled)).await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = reply.header("allow").split(',').map(|method| method.trim().to_owned());
        served.extend(allowed.filter(|method| method != "HEAD").map(|method| (method, path.clone())));
    }
    let named = table.routes();
    let unnamed: Vec<_> = served.difference(&named).collect();
    let absent: Vec<_> = named.difference(&served).collect();
    assert!(unnamed.is_empty(), "spec/PROTOCOL.md does not say who may: {unnamed:?}");
    assert!(absent.is_empty(), "spec/PROTOCOL.md names what is not served: {absent:?}");
}
