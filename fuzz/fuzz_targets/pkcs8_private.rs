#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| strangers::pkcs8_private(data));
