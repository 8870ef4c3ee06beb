//! A settings file, as wrong as can be.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = bgcam::config::check_text(text, "fuzz");
});
