//! The control page for keyboards, screen readers and small screens, and after a restart, in real browsers.
//!
//! With `SHOTS=DIRECTORY` in the environment, screenshots of the page are saved there.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/firefox.rs"]
mod firefox;
#[path = "support/daemon.rs"]
mod support;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use bgcam::look::ScreenColour;
use browser::Browser;
use firefox::Firefox;
use support::{Home, write_gif, write_png};

/// Chromium; none of these tests needs a model.
fn find_chromium() -> Option<PathBuf> {
    let program = browser::find();
    if program.is_none() {
        eprintln!("skipped: no Chromium (scripts/setup --tests installs it)");
    }
    program
}

/// The script of axe-core, installed with npm; `None` with a message if that is not possible.
fn axe() -> Option<String> {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let kept = tmp.join("axe-core-4.11.0.js");
    if let Ok(script) = fs::read_to_string(&kept) {
        return Some(script);
    }
    // tests run at the same time: each installs it in a directory of its own, and keeps the complete file
    let dir = tempfile::tempdir_in(tmp).unwrap();
    fs::write(dir.path().join("package.json"), r#"{"private":true,"dependencies":{"axe-core":"4.11.0"}}"#).unwrap();
    let options = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--prefer-offline"];
    match Command::new("npm").args(options).current_dir(dir.path()).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => eprintln!("skipped: npm failed: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("skipped: no npm: {error}"),
    }
    fs::rename(dir.path().join("node_modules/axe-core/axe.min.js"), &kept).ok()?;
    fs::read_to_string(kept).ok()
}

/// JavaScript that returns axe's findings as lines.
const FINDINGS: &str = "axe.run().then((report) => report.violations.flatMap((violation) => \
                        violation.nodes.map((node) => `${violation.id}: ${node.target.join(' ')}: ${node.html.slice(0, 200)}`)))";

const LIVE: &str = "Number(document.getElementById('screen')?.dataset.frames) > 2 && \
                    document.querySelectorAll('.setting').length > 10 && document.getElementById('provider').options.length > 5";

/// JavaScript that opens everything that can be opened.
const OPEN_ALL: &str = "for (const box of document.querySelectorAll('details')) box.open = true; openGuide(); \
                        document.getElementById('provider').value = 'openai'; document.getElementById('provider').onchange();";

#[test]
fn axe_finds_nothing_in_chromium() {
    let (Some(program), Some(axe)) = (find_chromium(), axe()) else { return };
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    write_png(&home.path("violet.png"), 640, 360, [120, 40, 200]);
    home.expect(&["gallery", "import", home.path("violet.png").to_str().unwrap()], 0);
    let mut browser = Browser::start(&program);
    browser.size(1280, 800);
    browser.go(&home.page_address());
    browser.until(LIVE);
    browser.js(&axe);
    for step in ["", OPEN_ALL, "attempt(runDoctor)", "toast('A message', { bad: true, hint: 'Run `bgcam doctor`' })"] {
        browser.js(&format!("(async () => {{ {step} }})()"));
        browser.until("document.getElementById('doctor-run').disabled === false");
        for (width, height) in [(1280, 800), (390, 844)] {
            for scheme in ["light", "dark"] {
                browser.size(width, height);
                browser.scheme(scheme);
                browser.js("new Promise((done) => setTimeout(done, 300))"); // transitions
                assert_eq!(browser.js(FINDINGS), serde_json::json!([]), "{step} {width} {scheme}");
            }
        }
    }
    home.expect(&["pause"], 0);
    browser.until("!document.getElementById('card').hidden");
    assert_eq!(browser.js(FINDINGS), serde_json::json!([]), "paused");
    daemon.wait_until("it is paused", |status| status.scene.paused);
}

#[test]
fn the_page_works_in_firefox_and_axe_finds_nothing() {
    let Some(program) = firefox::find() else {
        return eprintln!("skipped: no Firefox (scripts/setup --tests installs it)");
    };
    let Some(axe) = axe() else { return };
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    let mut firefox = Firefox::start(&program);
    firefox.go(&home.page_address());
    firefox.until(LIVE);
    firefox.run("document.getElementById('mirror').click()");
    daemon.wait_until("it is mirrored", |status| status.scene.mirror);
    firefox
        .run("const s = document.getElementById('look-softness'); s.value = 33; s.dispatchEvent(new Event('input'));");
    daemon.wait_until("the setting is applied", |status| status.scene.look.softness == 33);
    firefox.run("for (const box of document.querySelectorAll('details')) box.open = true;");
    let findings = firefox.run(&format!("{axe}; return {FINDINGS};"));
    assert_eq!(findings, serde_json::json!([]));
    if let Some(dir) = env::var_os("SHOTS") {
        firefox.screenshot(&Path::new(&dir).join("firefox.png"));
    }
}

/// JavaScript that presses Tab would need a real focus order, so this counts what Tab can reach in a group.
fn tab_stops(group: &str) -> String {
    format!(
        "[...document.querySelectorAll('{group} .pick, {group} > button')].filter((item) => item.tabIndex === 0).length"
    )
}

#[test]
fn each_group_is_one_tab_stop_and_arrows_move_in_it() {
    let Some(program) = find_chromium() else { return };
    let home = Home::new();
    let _daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    for (name, colour) in [("a", [120, 40, 200]), ("b", [20, 140, 100]), ("c", [200, 40, 20])] {
        write_png(&home.path(&format!("{name}.png")), 64, 36, colour);
        home.expect(&["gallery", "import", home.path(&format!("{name}.png")).to_str().unwrap()], 0);
        home.expect(&["preset", "save", name], 0);
    }
    let mut browser = Browser::start(&program);
    browser.size(1280, 800);
    browser.go(&home.page_address());
    browser.until("document.querySelectorAll('[data-file]').length === 3");
    browser.until("document.querySelectorAll('#presets li').length === 3");
    browser.until(LIVE);
    assert_eq!(browser.js("document.querySelectorAll('h1').length"), 1);
    for group in ["#kinds-bar", "#tiles-bar", "#swatches", "#chips", "#presets-bar"] {
        assert_eq!(browser.js(&tab_stops(group)), 1, "{group}");
    }
    browser.until("document.querySelector('[data-kind=color]').tabIndex === 0"); // the current one
    let focused = "document.activeElement.dataset.kind || document.activeElement.dataset.file || document.activeElement.textContent";
    browser.js("document.querySelector('[data-kind=color]').focus()");
    for (key, expected) in [("ArrowRight", "video"), ("Home", "none"), ("ArrowLeft", "none"), ("End", "Upload")] {
        browser.press(key);
        assert_eq!(browser.js(focused), expected, "{key}");
        assert_eq!(browser.js(&tab_stops("#kinds-bar")), 1);
    }
    browser.js("document.querySelector('[data-file]').focus()");
    browser.press("ArrowRight");
    assert_eq!(browser.js("[...document.querySelectorAll('[data-file]')].indexOf(document.activeElement)"), 1);
    assert_eq!(
        browser.js("[...document.querySelectorAll('.tools button')].filter((tool) => tool.tabIndex === 0).length"),
        2,
        "those of the current image"
    );
}

#[test]
fn the_preview_stays_in_view_and_compares_without_changing_the_output() {
    let Some(program) = find_chromium() else { return };
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    let mut browser = Browser::start(&program);
    browser.go(&home.page_address());
    browser.until(LIVE);
    browser.js("for (const box of document.querySelectorAll('details')) box.open = true");
    for (width, height) in [(1280, 800), (390, 844), (640, 400)] {
        browser.size(width, height);
        browser.js("document.getElementById('look-zoom').scrollIntoView({ block: 'end' })");
        browser.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
        let shown = "(() => { const box = document.getElementById('stage').getBoundingClientRect(); \
                     const slider = document.getElementById('look-zoom').getBoundingClientRect(); \
                     return box.top >= 0 && box.bottom <= innerHeight && slider.bottom <= innerHeight + 1 && \
                     document.elementFromPoint(slider.left + 5, slider.top + 5)?.id === 'look-zoom'; })()";
        assert_eq!(browser.js(shown), true, "{width}x{height}");
    }
    let version = daemon.status().scene.version;
    browser.js("document.getElementById('compare').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }))");
    browser.until("view === 'camera' && document.getElementById('compare').textContent.includes('only you')");
    assert_eq!(daemon.status().scene.version, version, "other people see the same as before");
    browser.js("document.getElementById('compare').dispatchEvent(new KeyboardEvent('keyup', { key: 'Enter' }))");
    browser.until("view === 'output'");
    // the message on the card
    home.expect(&["pause"], 0);
    browser.until("!document.getElementById('card').hidden");
    browser.js("{ $('card-text').value = 'Back at 3'; $('card').requestSubmit(); }");
    daemon.wait_until("the card has a message", |status| status.scene.pause_message.as_deref() == Some("Back at 3"));
    browser.until("document.getElementById('detail').textContent.includes('Back at 3')");
}

#[test]
fn the_colour_of_a_green_screen_is_picked_from_the_picture() {
    let Some(program) = find_chromium() else { return };
    let home = Home::new();
    let webcam = home.path("green.png");
    write_png(&webcam, 640, 360, [0, 177, 64]);
    let webcam = format!("file:{}", webcam.display());
    let mut daemon = home.start(&["--camera", &webcam, "--background", "#204060"]);
    let mut browser = Browser::start(&program);
    browser.size(1280, 800);
    browser.go(&home.page_address());
    browser.until(LIVE);
    browser.js("for (const box of document.querySelectorAll('details')) box.open = true");
    let press = "document.querySelector('label[for=look-green_screen_color] ~ .plain').click()";
    browser.js(press);
    browser.until("getComputedStyle($('pick-hint')).display === 'flex' && stage.dataset.view === 'camera'");
    browser.press("Escape");
    browser.until("getComputedStyle($('pick-hint')).display === 'none' && stage.dataset.view === 'output'");
    browser.js(press);
    browser.until("stage.dataset.view === 'camera'");
    browser.js("{ const { left, top, width, height } = stage.getBoundingClientRect(); stage.dispatchEvent(new \
         MouseEvent('click', { clientX: left + width / 2, clientY: top + height / 2 })); }");
    daemon.wait_until("the colour is set", |status| match status.scene.look.green_screen_color {
        ScreenColour::Chosen(rgb) => rgb.iter().zip([0, 177, 64]).all(|(found, wanted)| found.abs_diff(wanted) <= 6),
        ScreenColour::Auto => false,
    });
    browser.until(
        "stage.dataset.view === 'output' && document.getElementById('look-green_screen_color').value[0] === '#'",
    );
}

#[test]
fn an_open_tab_continues_after_a_restart() {
    let Some(program) = find_chromium() else { return };
    let home = Home::new();
    let arguments = ["--camera", "demo", "--background", "#20a040"];
    let daemon = home.start(&arguments);
    let mut browser = Browser::start(&program);
    browser.go(&home.page_address());
    browser.until(LIVE);
    browser.until("ticket !== null");
    daemon.kill();
    browser.until("document.getElementById('headline').textContent === 'bgcam is not responding'");
    let mut daemon = home.start(&arguments);
    browser.until("document.getElementById('headline').textContent.startsWith('No app can see you')");
    browser.js("document.getElementById('mirror').click()");
    daemon.wait_until("it is mirrored", |status| status.scene.mirror);
    // a tab without a ticket shows the command
    browser.js("ticket = null");
    daemon.kill();
    let _daemon = home.start(&arguments);
    browser.until("document.getElementById('detail').textContent.includes('bgcam preview')");
}

#[test]
fn the_page_uploads_videos_and_overlays_and_names_what_is_missing() {
    let Some(program) = find_chromium() else { return };
    let home = Home::new();
    let mut daemon = home.start_with(&["--camera", "demo", "--background", "#20a040"], |command| {
        command.env_remove("OPENAI_API_KEY");
    });
    let mut browser = Browser::start(&program);
    browser.go(&home.page_address());
    browser.until(LIVE);
    write_gif(&home.path("waves.gif"), &[40, 200]);
    browser.choose_file("#file", &home.path("waves.gif"));
    let uploaded = home.path("data/bgcam/uploads/waves.gif");
    daemon.wait_until("the animation is shown", |status| status.scene.background.path() == Some(&uploaded));
    browser.until("document.querySelectorAll('#files li').length === 1");
    fs::write(home.path("letter.mp4"), "Dear reader").unwrap();
    browser.choose_file("#file", &home.path("letter.mp4"));
    browser.until(
        "document.querySelector('.toast.bad')?.textContent.includes('letter.mp4 is a text file, expected a video')",
    );
    write_png(&home.path("logo.png"), 64, 64, [250, 250, 250]);
    browser.choose_file("#look-overlay ~ [type=file]", &home.path("logo.png"));
    daemon.wait_until("the overlay is shown", |status| status.scene.look.overlay.ends_with("uploads/logo.png"));
    // a generator that is not set up
    browser.js("{ const s = $('provider'); s.value = 'openai'; s.dispatchEvent(new Event('change')); }");
    browser.until("$('provider-missing').textContent.startsWith('OpenAI is not set up.') && $('generate').disabled");
    browser.js("{ const s = $('provider'); s.value = 'builtin'; s.dispatchEvent(new Event('change')); }");
    browser.until("$('privacy').textContent === 'Everything stays on this computer.' && !$('generate').disabled");
}

#[test]
fn a_new_user_sees_the_guide_once() {
    let Some(program) = find_chromium() else { return };
    let home = Home::new();
    let _daemon = home.start(&["--camera", "demo"]);
    let mut browser = Browser::start(&program);
    browser.size(1280, 800);
    browser.go(&home.page_address());
    browser.until("document.getElementById('guide')?.hidden === false");
    browser.until("Number(document.getElementById('guide-picture').dataset.frames) > 1");
    browser.until("document.getElementById('step-output').className === 'todo'"); // there is none here
    browser.js("document.querySelector('[name=app][value=teams]').click()");
    browser.until("document.getElementById('app-path').textContent.startsWith('The arrow beside Camera')");
    if let Some(dir) = env::var_os("SHOTS") {
        browser.screenshot(&Path::new(&dir).join("guide.png"));
    }
    browser.js("document.getElementById('guide-done').click()");
    browser.call("Page.reload", serde_json::json!({}));
    browser.until(LIVE);
    assert_eq!(browser.js("document.getElementById('guide').hidden"), true);
    browser.js("document.getElementById('guide-open').click()");
    browser.until("document.getElementById('guide').hidden === false");
}

#[test]
fn a_background_is_refined_by_words_with_undo_and_redo() {
    let (Some(program), Some(axe)) = (find_chromium(), axe()) else { return };
    let home = Home::new();
    let maker = home.write_program("maker", "cat \"$BGCAM_IMAGE\"");
    home.write_config(&format!("[prompt.command]\nprogram = {maker:?}\nedits = true\n"));
    let mut daemon = home.start(&["--camera", "demo", "--size", "320x180", "--background", "#20a040"]);
    let mut browser = Browser::start(&program);
    browser.size(390, 844);
    browser.go(&home.page_address());
    browser.until(LIVE);
    assert_eq!(browser.js("$('edit').hidden"), true, "a colour cannot be edited");
    home.expect(&["set-prompt", "beach at sunset"], 0);
    browser.until("!$('edit').hidden && $('undo').disabled && $('redo').disabled");
    browser.until("$('edit-note').textContent.startsWith('The built-in painter')");

    let path = |daemon: &support::Daemon<'_>| daemon.status().scene.background.path().unwrap().to_owned();
    let first = path(&daemon);
    let edit = |browser: &mut Browser, text: &str| {
        browser.js(&format!("{{ $('edit-text').value = '{text}'; $('edit').requestSubmit(); }}"));
    };
    edit(&mut browser, "with snow");
    daemon.wait_until("the edit is shown", |status| status.scene.background.path() != Some(&first));
    browser.until("$('edit-text').value === '' && !$('undo').disabled && $('redo').disabled");
    browser.until("$('result-notes').textContent.includes('painted a new one')");
    let second = path(&daemon);

    // by keyboard: the focus moves on when the last step is undone
    browser.js("$('undo').focus()");
    browser.press(" ");
    daemon.wait_until("the first image is shown", |status| status.scene.background.path() == Some(&first));
    browser.until("$('undo').disabled && !$('redo').disabled && document.activeElement.id === 'redo'");
    browser.press(" ");
    daemon.wait_until("the edit is shown again", |status| status.scene.background.path() == Some(&second));
    browser.until("!$('undo').disabled");

    // a provider that changes the image, and one that can't
    browser.js("{ const s = $('provider'); s.value = 'command'; s.dispatchEvent(new Event('change')); }");
    browser.until("$('edit-note').textContent.startsWith('This background and your text go to Your own program')");
    edit(&mut browser, "make it night");
    daemon.wait_until("the edit is shown", |status| status.scene.background.path() != Some(&second));
    browser.js("{ const s = $('provider'); s.value = 'gateway'; s.dispatchEvent(new Event('change')); }");
    browser.until("$('edit-run').disabled");

    browser.js(&axe);
    for (width, height) in [(1280, 800), (390, 844)] {
        browser.size(width, height);
        browser.js("$('edit').scrollIntoView({ block: 'center' })");
        browser.js("new Promise((done) => setTimeout(done, 300))");
        let fits = "(() => { const box = $('edit').getBoundingClientRect(); const inside = [...$('edit').querySelectorAll('input, button:not([hidden])')]; \
                    return document.documentElement.scrollWidth <= innerWidth && inside.every((item) => item.getBoundingClientRect().right <= box.right); })()";
        assert_eq!(browser.js(fits), true, "{width}");
        assert_eq!(browser.js(FINDINGS), serde_json::json!([]), "{width}");
        if let Some(dir) = env::var_os("SHOTS") {
            browser.screenshot(&Path::new(&dir).join(format!("edit-{width}.png")));
        }
    }
    home.expect(&["set-blur"], 0);
    browser.until("$('edit').hidden");
}

#[test]
fn presets_and_a_freeze_work_on_the_page() {
    let Some(program) = find_chromium() else { return };
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040", "--quality", "eco"]);
    let mut browser = Browser::start(&program);
    browser.go(&home.page_address());
    browser.until(LIVE);
    browser.until("!$('presets-empty').hidden");
    browser.js("{ $('preset-name').value = 'Work'; $('save-preset').requestSubmit(); }");
    browser.until("document.querySelector('#presets .pick')?.getAttribute('aria-pressed') === 'true'");
    home.expect(&["set-color", "teal"], 0);
    browser.until("document.querySelector('#presets .pick').getAttribute('aria-pressed') === 'false'");
    browser.js("document.querySelector('#presets .pick').click()");
    daemon.wait_until("the preset is used", |status| status.scene.label == "#20a040");
    browser.until("document.querySelector('#presets .pick').getAttribute('aria-pressed') === 'true'");

    // a preset that would show the room needs consent
    home.expect(&["set-none"], 0);
    home.expect(&["preset", "save", "Open"], 0);
    home.expect(&["preset", "use", "Work"], 0);
    browser.until("document.querySelectorAll('#presets li').length === 2");
    browser.js("document.querySelector('#presets [data-name=Open] .pick').click()");
    browser.until("document.getElementById('room').open");
    browser.js("document.getElementById('keep-hidden').click()");
    assert_eq!(daemon.status().scene.label, "#20a040");
    let remove = "document.querySelector('#presets [data-name=Open] .reset')";
    browser.js(&format!("{remove}.click()"));
    browser.until(&format!("{remove}.textContent === 'Remove?'"));
    browser.js(&format!("{remove}.click()"));
    browser.until("document.querySelectorAll('#presets li').length === 1");

    let composed = daemon.status().counters.composed;
    daemon.wait_until("frames are composed", |status| status.counters.composed > composed + 5);
    browser.js("$('freeze').click()");
    daemon.wait_until("the video is paused", |status| status.scene.paused);
    browser.until("$('freeze').getAttribute('aria-pressed') === 'true' && $('card').hidden");
    browser.js("$('freeze').click()");
    daemon.wait_until("the video is live", |status| !status.scene.paused);
}
