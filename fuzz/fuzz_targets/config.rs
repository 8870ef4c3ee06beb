//! Arbitrary settings files: valid ones stay the same when written and read again.
#![no_main]

use std::{cell::LazyCell, fs, iter, path::PathBuf};

use bgcam::config::{Config, Flags, check_text};

thread_local! {
    static PATH: LazyCell<PathBuf> =
        LazyCell::new(|| std::env::temp_dir().join(format!("bgcam-fuzz-{}.toml", std::process::id())));
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    if check_text(text, "fuzz").is_err() {
        return;
    }
    let path = PATH.with(|path| PathBuf::clone(path));
    let read = |text: &str| {
        fs::write(&path, text).unwrap();
        Config::layered(std::slice::from_ref(&path), iter::empty(), &Flags::new())
    };
    if let Ok(config) = read(text) {
        let written = config.to_toml();
        assert_eq!(read(&written).expect("written settings are valid").to_toml(), written);
    }
});
