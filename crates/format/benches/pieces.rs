//! How long the pieces take: `cargo bench -p format`, or `cargo bench -p format -- seal` for some of them.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use envelope::merkle;
use envelope::segment::{BodyShape, SEGMENT_LEN};
use envelope::{Grant, Manifest, Suite};
use format::grant::{RecipientKey, SealGrant, seal_grant, seal_grants};
use format::manifest::{SealManifest, seal_manifest};
use format::metadata::{Compression, Padding};
use format::open::{OpenFile, Reader, open_file};
use format::payload::segments_of;
use format::rsa::{RsaBits, RsaPrivateKey};
use format::vault::{VaultSecret, open_vault, seal_vault};
use format::{
    FileKey, FileName, Identity, Metadata, Passphrase, PayloadOpener, PayloadSealer, Position, VaultKey,
};
use format::{compress::Compressor, random};

/// Segments of a part of 16 MiB.
const PART: usize = 64;

fn hashing(c: &mut Criterion) {
    let segments: Vec<Vec<u8>> = (0..PART).map(|_| vec![7; SEGMENT_LEN]).collect();
    let borrowed: Vec<&[u8]> = segments.iter().map(Vec::as_slice).collect();
    let mut group = c.benchmark_group("hash 16 MiB of leaves on one core");
    group.throughput(Throughput::Bytes((PART * SEGMENT_LEN) as u64));
    for way in lanes::Way::all() {
        group.bench_function(format!("{way:?}"), |b| {
            b.iter(|| lanes::sha256_prefixed_by(way, 0, black_box(&borrowed)));
        });
    }
    group.finish();
}

fn payload(c: &mut Criterion) {
    let (fk, file_id, author) = (FileKey::generate(), random::file_id(), Identity::generate().root_id());
    let sealer = PayloadSealer::generate(&fk, Suite::Signed, file_id, author);
    let opener = PayloadOpener::new(&fk, Suite::Signed, file_id, author, sealer.header()).expect("just made");
    let mut part = vec![7; PART * SEGMENT_LEN];
    let mut group = c.benchmark_group("a part of 16 MiB");
    group.throughput(Throughput::Bytes(part.len() as u64));
    group.bench_function("seal, one core", |b| {
        b.iter(|| {
            let each = &mut segments_of(&mut part);
            each.chunks_mut(merkle::leaves_at_once()).for_each(|run| {
                sealer.seal_run(0, Position::Inner, black_box(run)).expect("full segments");
            });
        });
    });
    group.bench_function("seal, all cores", |b| {
        b.iter(|| sealer.seal_batch(0, Position::Inner, black_box(&mut segments_of(&mut part))));
    });
    sealer.seal_batch(0, Position::Inner, &mut segments_of(&mut part)).expect("full segments");
    group.bench_function("open, all cores", |b| {
        b.iter_batched_ref(
            || part.clone(),
            |part| opener.open_batch(0, Position::Inner, &mut segments_of(part), None).expect("sealed"),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// A sealed file of a kilobyte.
fn file(fk: &FileKey, author: &Identity) -> Manifest {
    let file_id = random::file_id();
    let sealer = PayloadSealer::generate(fk, Suite::Signed, file_id, author.root_id());
    let body = BodyShape::from_plain_len(1000).expect("short");
    let metadata = Metadata {
        name: FileName::parse("report.pdf").expect("a name"),
        media_type: String::new(),
        original_size: 1000,
        stored_size: 1000,
        compression: Compression::None,
        padding: Padding::None,
        modified_ms: 0,
        box_id: None,
        preview: None,
    };
    seal_manifest(&SealManifest {
        fk,
        file_id,
        revision: 1,
        author: Some(author.root()),
        payload_header: sealer.header(),
        body,
        body_root: merkle::leaf(b"any"),
        metadata: &metadata,
    })
    .expect("a file")
}

fn wrapping(c: &mut Criterion) {
    let (author, bob, fk) = (Identity::generate(), Identity::generate(), FileKey::generate());
    let manifest = file(&fk, &author);
    let seal = SealGrant {
        fk: &fk,
        manifest: &manifest,
        grantor: Some(author.root()),
        min_revision: 1,
        not_after: 0,
    };
    let open = |grant: &Grant, reader: Reader<'_>| {
        let author = Some(author.root().public());
        open_file(&OpenFile { manifest: &manifest, grant, reader, author, grantor: None, linked: &[] })
            .expect("for them")
    };
    let mut group = c.benchmark_group("grants");
    let key = RecipientKey::xwing(Some(bob.root_id()), bob.xwing_public()).expect("a key");
    group.bench_function("seal to X-Wing", |b| b.iter(|| seal_grant(&seal, black_box(&key))));
    let grant = seal_grant(&seal, &key).expect("a key");
    let many = vec![key.clone(); 10_000];
    group.sample_size(10);
    group.bench_function("seal to 10,000 recipients by X-Wing, all cores", |b| {
        b.iter(|| seal_grants(&seal, black_box(&many)));
    });
    group.sample_size(100);
    group
        .bench_function("open by X-Wing, with manifest", |b| b.iter(|| open(&grant, Reader::Identity(&bob))));
    for bits in [RsaBits::B2048, RsaBits::B3072, RsaBits::B4096] {
        let private = RsaPrivateKey::generate(bits);
        let key = RecipientKey::rsa(None, private.public());
        group.bench_function(format!("seal to RSA {}", bits.bits()), |b| {
            b.iter(|| seal_grant(&seal, black_box(&key)))
        });
        let grant = seal_grant(&seal, &key).expect("a key");
        let name = format!("open by RSA {}, with manifest", bits.bits());
        group.bench_function(name, |b| b.iter(|| open(&grant, Reader::Rsa(&private))));
    }
    group.finish();
}

fn keys(c: &mut Criterion) {
    let mut group = c.benchmark_group("keys");
    group.sample_size(10);
    group.bench_function("make a person", |b| b.iter(Identity::generate));
    for bits in [RsaBits::B2048, RsaBits::B3072, RsaBits::B4096] {
        group.bench_function(format!("make RSA {}", bits.bits()), |b| {
            b.iter(|| RsaPrivateKey::generate(bits))
        });
    }
    let passphrase = Passphrase::parse("three wax wings melt slowly".to_owned()).expect("not empty");
    let secret = VaultSecret::Passphrase(&passphrase);
    let (me, key, user) = (Identity::generate(), VaultKey::generate(), random::user_id());
    let vault = seal_vault(&me, &key, &[secret], user, 1).expect("a vault");
    group.bench_function("open a vault by its passphrase", |b| {
        b.iter(|| open_vault(black_box(&vault), VaultSecret::Passphrase(&passphrase)));
    });
    group.finish();
}

fn compressing(c: &mut Criterion) {
    let text = b"the same words again and again, and some others now and then; ".repeat(100_000);
    let mut group = c.benchmark_group("compress text on one core");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.sample_size(10);
    group.bench_function("gzip", |b| {
        b.iter(|| std::io::copy(&mut Compressor::new(text.as_slice()), &mut std::io::sink()));
    });
    group.finish();
}

criterion_group!(pieces, hashing, payload, wrapping, keys, compressing);
criterion_main!(pieces);
