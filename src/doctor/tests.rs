//! Helpers for the tests of the checks, and tests of the whole report.

use super::*;
use crate::system::{
    Cameras,
    fake::{FakeMachine, status},
};

pub(super) fn report(machine: &FakeMachine) -> Report {
    examine(&machine.system())
}

/// The finding of the check with this name.
pub(super) fn finding(machine: &FakeMachine, check: &str) -> Finding {
    let report = report(machine);
    let found = report.findings().find(|finding| finding.check == check);
    found.unwrap_or_else(|| panic!("no {check} in {report:#?}")).clone()
}

#[test]
fn a_healthy_machine_has_no_problems() {
    let machine = FakeMachine::new().fake(|fake| fake.daemon = Ok(Some(Box::new(status()))));
    let report = report(&machine);
    // the check of the better model inspects the real machine
    let bad: Vec<_> = report.findings().filter(|f| f.level != Level::Ok && f.check != "better-model").collect();
    assert!(bad.is_empty() && report.can_run, "{bad:#?}");
}

#[test]
fn every_problem_has_a_fix_in_a_short_sentence() {
    let broken = FakeMachine::new()
        .without("/sys/module/v4l2loopback")
        .without("/run/user/1000")
        .without("/usr/bin/ffmpeg")
        .fake(|fake| (fake.cameras, fake.free) = (Cameras::default(), 0));
    for machine in [FakeMachine::new(), broken] {
        for finding in report(&machine).findings() {
            assert_eq!(finding.fix.is_none(), finding.level == Level::Ok, "{finding:?}");
            assert!(!finding.text.ends_with('.') && !finding.text.contains('\n'), "{finding:?}");
        }
    }
}

#[test]
fn the_summary_counts() {
    let groups = |findings| vec![Group { name: "A", findings }];
    let ok = Finding::ok("a", "fine");
    assert_eq!(Report::new(groups(vec![ok.clone()])).summary(), "bgcam can run: no problems found");
    let bad = vec![
        ok,
        Finding::warn("b", "hm").advice("x"),
        Finding::fail("c", "no").fix("do it", "why"),
        Finding::warn("d", "hm"),
    ];
    assert_eq!(Report::new(groups(bad.clone())).summary(), "bgcam can run: 1 failure, 2 warnings");
    let mut blocked = bad;
    blocked[2].blocks = true;
    let report = Report::new(groups(blocked));
    assert_eq!(report.summary(), "bgcam cannot run: 1 failure, 2 warnings");
    let text = anstream::adapter::strip_str(&ReportText(&report).to_string()).to_string();
    assert!(text.starts_with("A\n  ok    fine\n  warn  hm\n        x\n  fail  no\n        do it  # why\n"), "{text}");
}
