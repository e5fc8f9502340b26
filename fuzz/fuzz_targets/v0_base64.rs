#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| strangers::v0_base64(data));
