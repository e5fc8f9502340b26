#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| strangers::ed25519_torsion(data));
