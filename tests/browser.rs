//! The control page in a real Chromium, with a real daemon and the demo camera.
//!
//! With `SHOTS=DIRECTORY` in the environment, screenshots of the page are saved there.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/rooms.rs"]
mod rooms;
#[path = "support/daemon.rs"]
mod support;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use browser::Browser;
use serde_json::json;
use support::{Home, write_png};

/// JavaScript that checks the colour of the preview's lower left corner.
fn corner_is(rgb: [u8; 3]) -> String {
    let [r, g, b] = rgb;
    format!(
        "(() => {{ const c = document.getElementById('screen'); const p = c.getContext('2d').getImageData(4, c.height - 12, 8, 8).data; \
         return Math.abs(p[0] - {r}) + Math.abs(p[1] - {g}) + Math.abs(p[2] - {b}) < 40; }})()"
    )
}

/// JavaScript that computes a checksum of the preview.
const CHECKSUM: &str = "(() => { const c = document.getElementById('screen'); let sum = 0; \
                       for (const value of c.getContext('2d').getImageData(0, 0, c.width, c.height).data) sum = (sum * 31 + value) | 0; return sum; })()";

/// JavaScript that checks whether the page asks for consent to show the room.
const CONSENT_OPEN: &str = "document.getElementById('room').open";
const CONSENT_CLOSED: &str = "!document.getElementById('room').open";

/// JavaScript that moves a slider.
fn slide(id: &str, value: i32) -> String {
    format!("{{ const s = document.getElementById('{id}'); s.value = {value}; s.dispatchEvent(new Event('input')); }}")
}

fn click(browser: &mut Browser, selector: &str) {
    browser.js(&format!("document.querySelector({selector:?}).click()"));
}

fn shots(browser: &mut Browser, name: &str) {
    let Some(dir) = env::var_os("SHOTS") else { return };
    for (width, height) in [(1280, 800), (390, 844)] {
        for scheme in ["light", "dark"] {
            browser.size(width, height);
            browser.scheme(scheme);
            browser.js("new Promise((done) => setTimeout(done, 400))");
            browser.screenshot(&Path::new(&dir).join(format!("{name}-{width}-{scheme}.png")));
        }
    }
    browser.size(1280, 800);
}

/// Chromium, if the page can be tested with it and a real model.
fn find_browser() -> Option<PathBuf> {
    let program = browser::find();
    if program.is_none() {
        eprintln!("skipped: no Chromium (scripts/setup --tests installs it)");
    } else if bgcam::mask::library(&bgcam::mask::Settings::default()).is_err() {
        eprintln!("skipped: no ONNX Runtime (scripts/setup installs it)");
        return None;
    }
    program
}

#[test]
fn every_control_of_the_page_works_in_a_browser() {
    let Some(program) = find_browser() else { return };
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    let address = home.page_address();
    let mut browser = Browser::start(&program);
    browser.size(1280, 800);
    browser.go(&address);

    // the page is live and has removed the code from its address
    browser.until("Number(document.getElementById('screen')?.dataset.frames) > 5");
    browser.until("document.querySelectorAll('.setting').length > 10");
    assert_eq!(browser.js("location.pathname + location.search"), "/");
    assert_eq!(browser.js("document.cookie"), "", "the session cookie is hidden from scripts");
    let paint = browser.js("performance.getEntriesByName('first-contentful-paint')[0].startTime");
    eprintln!("first paint after {paint} ms");
    browser.until(&corner_is([0x20, 0xa0, 0x40]));
    let before = browser.js(CHECKSUM);
    browser.until(&format!("{CHECKSUM} !== {before}"));
    browser.until("document.getElementById('headline').textContent.startsWith('No app can see you')");
    shots(&mut browser, "empty");

    // create a background
    browser.js("document.getElementById('prompt-text').value = 'beach with a unicorn'");
    click(&mut browser, "#generate");
    daemon.wait_until("the beach is shown", |status| status.scene.label.contains("beach"));
    browser
        .until("document.querySelectorAll('[data-file]').length === 1 && document.getElementById('progress').hidden");
    browser.until("document.querySelector('[data-file]').getAttribute('aria-pressed') === 'true'");
    browser.until("document.getElementById('result-notes').textContent.includes('unicorn')");
    browser.until(&format!("!{}", corner_is([0x20, 0xa0, 0x40])));
    browser.until("document.querySelector('[data-file] img').naturalWidth === 320");

    // upload an image
    write_png(&home.path("violet.png"), 640, 360, [120, 40, 200]);
    browser.choose_file("#file", &home.path("violet.png"));
    browser.until(&corner_is([120, 40, 200]));
    browser.until("document.querySelectorAll('[data-file]').length === 2");
    shots(&mut browser, "images");

    // upload a text file
    fs::write(home.path("notes.txt"), "hello").unwrap();
    browser.choose_file("#file", &home.path("notes.txt"));
    browser.until("document.querySelector('.toast.bad')?.textContent.includes('notes.txt is a text file')");
    shots(&mut browser, "error");
    click(&mut browser, ".toast .close");

    // remove, then undo
    browser.js("document.querySelector('[data-file] ~ .tools [title=Remove]').click()");
    browser.until("document.querySelectorAll('[data-file]').length === 1");
    click(&mut browser, ".toast button");
    browser.until("document.querySelectorAll('[data-file]').length === 2");

    // blur strength
    click(&mut browser, "[data-kind=blur]");
    browser.until("!document.getElementById('blur-option').hidden");
    browser.js(&slide("blur-strength", 73));
    daemon.wait_until("the strength is applied", |status| status.scene.label == "blur 73");

    // a slider, and its reset
    browser.js(&slide("look-softness", 33));
    daemon.wait_until("the setting is applied", |status| status.scene.look.softness == 33);
    browser.until("document.querySelector('.setting.changed label')?.textContent === 'Softness'");
    click(&mut browser, ".setting.changed .reset");
    daemon.wait_until("the setting is reset", |status| status.scene.look.softness == 0);

    // the room is shown only after consent
    click(&mut browser, "[data-kind=none]");
    browser.until(CONSENT_OPEN);
    shots(&mut browser, "question");
    click(&mut browser, "#keep-hidden");
    browser.until(CONSENT_CLOSED);
    assert_eq!(daemon.status().scene.label, "blur 73");
    assert_eq!(browser.js("document.getElementById('room-banner').hidden"), true);

    // the same for a part of it: declining resets the slider, consent is requested once
    browser.js(&slide("look-background_opacity", 60));
    browser.until(CONSENT_OPEN);
    browser.js(&slide("look-background_opacity", 50));
    click(&mut browser, "#keep-hidden");
    browser.until(CONSENT_CLOSED);
    browser.until("document.getElementById('look-background_opacity').value === '100'");
    assert_eq!(daemon.status().scene.look.background_opacity, 100);
    browser.js(&slide("look-background_opacity", 60));
    browser.until(CONSENT_OPEN);
    click(&mut browser, "#show-room");
    daemon.wait_until("the room is partly visible", |status| status.scene.look.background_opacity == 60);
    browser.until("!document.getElementById('room-banner').hidden");
    browser.until("document.getElementById('label').textContent === 'Blur 73 (your room is visible)'");
    assert!(
        browser.js("document.getElementById('room-banner').textContent").as_str().unwrap().contains("opacity is 60 %")
    );
    browser.js(&slide("look-background_opacity", 30));
    daemon.wait_until("the opacity is applied", |status| status.scene.look.background_opacity == 30);
    assert_eq!(browser.js("document.getElementById('room').open"), false);
    shots(&mut browser, "room");
    home.expect(&["pause"], 0);
    browser.until("document.getElementById('room-what').textContent.includes('when you resume')");
    shots(&mut browser, "room-later");
    click(&mut browser, "#pause");
    browser.until(CONSENT_OPEN);
    click(&mut browser, "#show-room");
    daemon.wait_until("it is resumed", |status| !status.scene.paused);
    click(&mut browser, "#hide-room");
    daemon.wait_until("the room is hidden", |status| !status.scene.room_visible);
    browser.until("document.getElementById('room-banner').hidden");
    assert_eq!(daemon.status().scene.label, "blur 73");

    // a weak blur needs consent as well
    browser.js(&slide("blur-strength", 4));
    browser.until(CONSENT_OPEN);
    click(&mut browser, "#keep-hidden");
    browser.until("document.getElementById('blur-strength').value === '73'");

    // mirror and quality
    click(&mut browser, "#mirror");
    daemon.wait_until("it is mirrored", |status| status.scene.mirror);
    browser
        .js("{ const s = document.getElementById('quality'); s.value = 'eco'; s.dispatchEvent(new Event('change')); }");
    daemon.wait_until("the quality is applied", |status| status.mask.wanted_quality == bgcam::mask::Quality::Eco);

    // the mask view, which is grey
    click(&mut browser, "[value=matte]");
    browser.until(&corner_is([0, 0, 0]));
    shots(&mut browser, "matte");

    // Space pauses only if the preview has the focus
    for (focused, key) in [
        ("document.body", " "),
        ("document.getElementById('prompt-text')", " "),
        ("document.getElementById('stage')", "x"),
    ] {
        browser.js(&format!("{{ document.activeElement.blur(); {focused}.focus(); }}"));
        browser.press(key);
    }
    click(&mut browser, "#mirror");
    daemon.wait_until("the earlier key presses are handled", |status| !status.scene.mirror);
    assert!(!daemon.status().scene.paused);
    browser.js("document.getElementById('stage').focus()");
    shots(&mut browser, "focus");
    browser.press(" ");
    daemon.wait_until("it is paused", |status| status.scene.paused);
    browser.until("document.getElementById('headline').textContent.startsWith('Paused')");
    shots(&mut browser, "paused");
    home.expect(&["resume"], 0);
    browser.until("document.getElementById('pause').textContent === 'Pause'");

    // no external requests and no policy violations
    let origin = address.split("?").next().unwrap();
    for sent in browser.events("Network.requestWillBeSent") {
        let url = sent["request"]["url"].as_str().unwrap();
        assert!(url.starts_with(origin) || url.starts_with("blob:") || url.starts_with("data:"), "{url}");
    }
    for entry in browser.events("Log.entryAdded").filter(|entry| entry["entry"]["level"] == "error") {
        let text = entry["entry"]["text"].as_str().unwrap();
        assert!(text.contains("400 (Bad Request)") || text.contains("428 (Precondition Required)"), "{text}");
    }
    assert_eq!(browser.events("Runtime.exceptionThrown").count(), 0);

    // a used address is refused even with a session, and the page needs the cookie
    browser.go(&address);
    browser.until("document.title.includes('not valid')");
    browser.go(origin);
    browser.until("document.getElementById('headline')?.textContent.startsWith('No app can see you')");
    browser.call("Network.clearBrowserCookies", json!({}));
    browser.go(origin);
    browser.until("document.title.includes('not valid')");
    shots(&mut browser, "closed");
}

/// A clip of two people next to each other; false if the package has no people.
fn write_two_people(path: &Path) -> bool {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/people");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not part of the package", folder.display());
        return false;
    }
    let people = ["p001", "p005"].map(|name| rooms::Person::load(&folder, name));
    let wall = rooms::draw(rooms::ROOMS[0]);
    let (width, height) = (rooms::WIDTH, rooms::HEIGHT);
    let mut file = format!("YUV4MPEG2 W{} H{height} F30:1 Ip A1:1 C420jpeg\n", 2 * width).into_bytes();
    for number in 0..30 {
        let [left, right] = [0, 1].map(|who| rooms::frame(&wall, &people[who], number + 7 * who).0);
        file.extend_from_slice(b"FRAME\n");
        let rows = |frame: &[u8]| -> Vec<Vec<u8>> {
            let (luma, chroma) = frame.split_at(width * height);
            luma.chunks(width).chain(chroma.chunks(width / 2)).map(<[u8]>::to_vec).collect()
        };
        rows(&left).into_iter().zip(rows(&right)).for_each(|(left, right)| file.extend([left, right].concat()));
    }
    fs::write(path, file).unwrap();
    true
}

#[test]
fn the_page_offers_to_hide_a_second_person() {
    let Some(program) = find_browser() else { return };
    let home = Home::new();
    let clip = home.path("two.y4m");
    if !write_two_people(&clip) {
        return;
    }
    let camera = format!("file:{}", clip.display());
    let mut daemon = home.start(&["--camera", &camera, "--background", "#20a040"]);
    let mut browser = Browser::start(&program);
    browser.go(&home.page_address());
    browser.until("document.getElementById('others')?.hidden === false");
    shots(&mut browser, "others");
    click(&mut browser, "#only-me");
    daemon.wait_until("only the nearest person is shown", |status| status.scene.look.nearest_only);
    browser.until("document.getElementById('others').hidden");
}

#[test]
fn the_page_reports_an_unreadable_choice_until_it_is_replaced() {
    let Some(program) = find_browser() else { return };
    let home = Home::new();
    let file = home.path("state/bgcam/scene.json");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "{").unwrap();
    let mut daemon = home.start(&["--camera", "demo"]);
    let mut browser = Browser::start(&program);
    browser.go(&home.page_address());
    browser.until("document.getElementById('choice-error')?.hidden === false");
    let shown = browser.js("document.getElementById('choice-error').textContent");
    assert!(shown.as_str().unwrap().contains("scene.json"), "{shown}");
    shots(&mut browser, "unreadable-choice");
    home.expect(&["resume"], 0);
    browser.until("document.getElementById('choice-error').hidden");
    assert!(!daemon.wait_until("the daemon responds", |_| true).scene.paused);
}
