//! Amazon's SDKs for IVS and Chime in a real Chromium, with the virtual camera of a real driver.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use support::{Guest, VERSIONS};

/// The SDKs and our page's script in one file, built with npm and esbuild; the reason if that is not possible.
fn bundle() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sdk");
    let script = target.join("script.js");
    fs::create_dir_all(&target).unwrap();
    for file in ["package.json", "pages.js"] {
        fs::copy(root.join(file), target.join(file)).unwrap();
    }
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).current_dir(&target).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(format!("{program} failed: {}", String::from_utf8_lossy(&output.stderr))),
            Err(error) => Err(format!("no {program}: {error}")),
        }
    };
    run("npm", &["install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--prefer-offline"])?;
    let outfile = format!("--outfile={}", script.display());
    let bundled = run(
        "node_modules/.bin/esbuild",
        // the SDKs' browser builds, which do not need Node
        &[
            "pages.js",
            "--bundle",
            "--format=iife",
            "--define:global=window",
            "--main-fields=browser,module,main",
            "--log-level=error",
            &outfile,
        ],
    );
    bundled.map(|()| script)
}

#[test]
fn ivs_and_chime_pages_use_it_as_an_ordinary_camera() {
    let testbed = testbed_or_skip!();
    if !["/usr/bin/chromium", "/usr/bin/google-chrome"].iter().any(|path| fs::exists(path).unwrap()) {
        return eprintln!("skipped: no Chromium");
    }
    let script = match bundle() {
        Ok(script) => script,
        Err(why) => return eprintln!("skipped: cannot get Amazon's SDKs: {why}"),
    };
    let guest = Guest::new(&testbed).v4l2loopback(VERSIONS[3]).timeout(Duration::from_secs(400));
    let consumer = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/testbed.d/chromium-consumer");
    let output = guest.env("SCRIPT", script.to_str().unwrap()).env("CONSUMER", consumer).daemon(
        r#"paint_room; start --camera /dev/video0 --background '#20a040'
        for sdk in ivs chime; do
            must "$CONSUMER" --script "$SCRIPT" --open $sdk --seconds 3 --wait 60 --start-timeout 120 \
                --png "$SHARE/$sdk.png"
        done"#,
    );
    let output = output.success();
    let reports: Vec<serde_json::Value> =
        output.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let [ivs, chime] = &reports[..] else { panic!("two answers expected in {}", output.stdout) };
    for (report, kind) in [(ivs, "LocalStageStream"), (chime, "DefaultDeviceController")] {
        // bundlers may add a number or underscore to names
        assert!(report["opened"]["kind"].as_str().unwrap().contains(kind), "{report}");
        assert!(report["label"].as_str().unwrap().contains("Virtual Background Cam"), "{report}");
        assert_eq!((&report["width"], &report["height"]), (&1280.into(), &720.into()), "{report}");
        assert!(report["frames"].as_u64().unwrap() > 3, "{report}");
        eprintln!("{kind}: {report}");
    }
    for image in ["ivs.png", "chime.png"] {
        let mean = output.mean_colour(image);
        let near =
            mean.iter().zip([0x20, 0xa0, 0x40]).all(|(actual, expected)| (actual - f64::from(expected)).abs() <= 6.0);
        assert!(near, "{image} shows {mean:?}");
    }
}
