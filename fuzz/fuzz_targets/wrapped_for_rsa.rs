#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| strangers::wrapped_for_rsa(data));
