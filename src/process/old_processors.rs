//! Runs the tests of the pixel loops on emulated processors without newer vector instructions.
//!
//! Each loop is compiled for several instruction sets, and the processor it runs on decides which one is used. This machine
//! therefore only tests the best of them.

use std::{env, fs, path::Path, process::Stdio};

use super::child;

/// Adds the modules below `path`, which is `name`, that compile loops for several instruction sets.
fn find_modules(path: &Path, name: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let of_stem = if name.is_empty() { stem.to_owned() } else { format!("{name}::{stem}") };
        if path.is_dir() {
            find_modules(&path, &of_stem, found);
        } else if fs::read_to_string(&path).is_ok_and(|text| text.contains("multiversion(targets")) {
            found.push(if stem == "mod" { name.to_owned() } else { of_stem });
        }
    }
}

/// Whether this processor only tests the loops for newer instruction sets than `cpu` has.
fn is_untested(cpu: &str) -> bool {
    #[cfg(target_arch = "x86_64")]
    let has_avx512 = is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    let has_avx512 = false;
    cpu != "Haswell" || has_avx512
}

#[test]
#[expect(clippy::print_stderr, reason = "reports a skipped test")]
fn the_pixel_loops_work_without_newer_vector_instructions() {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("skipped: scripts/test-arm64 runs them on other processors");
        return;
    }
    let mut modules = Vec::new();
    find_modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut modules);
    modules.retain(|module| !module.ends_with("old_processors"));
    assert!(modules.len() > 30, "{modules:?}");
    let this = env::current_exe().unwrap();
    // AVX2 but not AVX-512; SSE4.2 but not AVX
    for cpu in ["Haswell", "Nehalem"].into_iter().filter(|cpu| is_untested(cpu)) {
        let mut emulator = child::command("qemu-x86_64", &[]);
        // ONNX Runtime, to which one test compares a network, takes minutes and has loops of its own
        emulator.args(["-cpu", cpu]).arg(&this).args(["--test-threads", "1", "--skip", "onnx_runtime"]).args(&modules);
        let run = match emulator.stdin(Stdio::null()).output() {
            Ok(run) => run,
            Err(error) => {
                eprintln!("skipped: qemu-x86_64 cannot be run: {error} (scripts/setup --tests installs qemu-user)");
                return;
            }
        };
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{cpu}: {text}{}", String::from_utf8_lossy(&run.stderr));
        let passed =
            text.split("test result: ok. ").nth(1).and_then(|text| text.split(' ').next()?.parse::<u32>().ok());
        assert!(passed.is_some_and(|passed| passed > 100), "{cpu}: {text}");
    }
}
