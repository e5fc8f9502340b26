//! JSON as it travels, and compressed bytes.

use std::io::{Read, Write};

use flate2::{Compression as Level, GzBuilder};

use crate::{Outcome, Seeds};

pub(crate) fn deflate(seeds: &Seeds) -> Outcome {
    let mixed: Vec<u8> = (0..3000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for (name, plain) in [
        ("empty", Vec::new()),
        ("byte", vec![b'a']),
        ("zeros", vec![0; 40_000]),
        ("text", b"the same words, and the same words, and the same words again".to_vec()),
        ("mixed", mixed),
    ] {
        for (kind, level) in [("stored", Level::none()), ("fast", Level::fast()), ("best", Level::best())] {
            let builder = GzBuilder::new().mtime(0).operating_system(255);
            let mut member = Vec::new();
            builder.read(plain.as_slice(), level).read_to_end(&mut member)?;
            let size = u32::try_from(plain.len())?.to_be_bytes();
            let bytes = [&size[..], &[100], &member].concat();
            seeds.write_with_misses("inflate_stored", &format!("{name}_{kind}"), &bytes)?;
            let twice = [&bytes[..], &member].concat();
            seeds.write("inflate_stored", &format!("{name}_{kind}_twice"), &twice)?;
            let raw = [&[100], &member[10..member.len() - 8]].concat();
            seeds.write_with_misses("inflate_member", &format!("{name}_{kind}"), &raw)?;
        }
    }
    let mut named = GzBuilder::new().filename("name").write(Vec::new(), Level::fast());
    named.write_all(b"plain")?;
    seeds.write("inflate_stored", "with_name", &[&[0, 0, 0, 5, 9], named.finish()?.as_slice()].concat())
}

pub(crate) fn json(seeds: &Seeds) -> Outcome {
    let uuid = "abababab-abab-4bab-8bab-abababababab";
    let node = "c0".repeat(32);
    let file = format!(
        r#"{{"file_id":"{uuid}","role":"author","manifest":"AAAA","grant":"AAAA","author":"{uuid}","author_bundle":"AAAA","part_len":1048576,"created":1,"expires_at":2,"downloads":0,"max_downloads":3,"recipients":[{{"user_id":"{uuid}","given_by":"{uuid}","since":1,"downloads":2,"fetched_at":3}}],"passed_by":{{"user_id":"{uuid}","bundle":"AAAA"}}}}"#
    );
    let upload = format!(
        r#"{{"file_id":"{uuid}","part_len":1048576,"body_len":5,"expires_at":2,"received_bytes":1,"received_parts":1,"parts":[{{"n":0,"len":5,"node":"{node}"}}]}}"#
    );
    let requests = [
        format!(r#"{{"file_id":"{uuid}","part_len":1048576,"body_len":5}}"#),
        r#"{"email":"a@b.example"}"#.to_owned(),
        format!(
            r#"{{"manifest":"AAAA","grants":[{{"user_id":"{uuid}","grant":"AAAA"}}],"expires_in":60,"max_downloads":1}}"#
        ),
        format!(r#"{{"user_id":"{uuid}","grant":"AAAA"}}"#),
        "{}".to_owned(),
        r#"{"addresses":["a@b.example"]}"#.to_owned(),
        r#"{"bundle":"AAAA"}"#.to_owned(),
        r#"{"refresh_token":"t"}"#.to_owned(),
        r#"{"email":"a@b.example","code":"123456"}"#.to_owned(),
        r#"{"download_id":"d"}"#.to_owned(),
    ];
    let replies = [
        format!(r#"{{"user_id":"{uuid}","bundles":["AAAA"]}}"#),
        format!(r#"{{"file_id":"{uuid}","expires_at":1,"received_bytes":1,"received_parts":1}}"#),
        file.clone(),
        format!(r#"{{"files":[{file}],"next":"n"}}"#),
        r#"{"status":"ok","timestamp":1,"s3_available":true,"email_available":false}"#.to_owned(),
        r#"{"people":[{"address":"a@b.example","bundle":"AAAA"}]}"#.to_owned(),
        format!(r#"{{"n":0,"len":5,"node":"{node}"}}"#),
        r#"{"seq":1}"#.to_owned(),
        format!(
            r#"{{"access_token":"a","refresh_token":"r","user_id":"{uuid}","expires_in":1,"refresh_expires_at":1,"server_time":1}}"#
        ),
        r#"{"ticket":"t","expires_at":1}"#.to_owned(),
        format!(r#"{{"uploads":[{upload}]}}"#),
        upload,
        format!(
            r#"{{"user_id":"{uuid}","created":1,"has_bundle":true,"used_bytes":1,"quota_bytes":2,"server_time":3,"new":[]}}"#
        ),
    ];
    for (target, texts) in [("requests", &requests[..]), ("replies", &replies)] {
        for (n, text) in texts.iter().enumerate() {
            let choice = u8::try_from(n)?;
            seeds.write(target, &format!("kind_{n}"), &[&[choice], text.as_bytes()].concat())?;
            let cut = &text.as_bytes()[..text.len() - 1];
            seeds.write(target, &format!("kind_{n}_cut"), &[&[choice], cut].concat())?;
            let more = text.replacen('{', r#"{"unknown":1,"#, 1).replace(",}", "}");
            seeds.write(target, &format!("kind_{n}_unknown"), &[&[choice], more.as_bytes()].concat())?;
        }
    }
    let problem = r#"{"type":"https://waxwing.example/problems/not_found","title":"Nothing here for you","status":404,"code":"not_found","detail":"d","request_id":"r","retry_after":5}"#;
    seeds.write("problem", "known", problem.as_bytes())?;
    seeds.write("problem", "unknown_code", problem.replace("\"not_found\"", "\"newer\"").as_bytes())
}
