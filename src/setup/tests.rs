//! Tests of setup, repeated setup, and removal, on fake machines.

use super::*;
use crate::{
    doctor::module::packages,
    sink::LABEL,
    system::fake::{FakeMachine, KERNEL, holder},
};

const CONF: &str = "/etc/modprobe.d/bgcam.conf";
const BOOT: &str = "/etc/modules-load.d/bgcam.conf";
const UNIT: &str = "/home/ada/.config/systemd/user/bgcam.service";
const RECORD: &str = "/home/ada/.local/state/bgcam/setup.json";
const NODE: &str = "/sys/devices/virtual/video4linux/video10";

/// A machine without any setup: the module is installed but not loaded, and `ada` has `sudo`.
fn fresh() -> FakeMachine {
    [CONF, BOOT, UNIT, "/sys/module/v4l2loopback", NODE]
        .into_iter()
        .fold(FakeMachine::new(), FakeMachine::without)
        .prints("systemctl --user show", "LoadState=not-found\nActiveState=inactive\nUnitFileState=\n")
}

/// The effect of a complete setup on the machine.
fn afterwards(machine: FakeMachine) -> FakeMachine {
    machine
        .with("/sys/module/v4l2loopback/version", "0.15.4")
        .with("/sys/module/v4l2loopback/parameters/exclusive_caps", "Y,N")
        .with("/sys/module/v4l2loopback/parameters/video_nr", "10,-1")
        .with(&format!("{NODE}/name"), LABEL)
        .with(&format!("{NODE}/max_openers"), "10")
        .with(&format!("{NODE}/state"), "output")
        .prints("systemctl --user show", "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n")
}

fn planned(machine: &FakeMachine, options: Options) -> (Vec<String>, Vec<String>) {
    let system = machine.system();
    let plan = plan(&system, options);
    (plan.steps.iter().map(|step| step.command_line(&system)).collect(), plan.notes)
}

fn lines(machine: &FakeMachine) -> Vec<String> {
    planned(machine, Options::default()).0
}

fn notes(machine: &FakeMachine) -> String {
    planned(machine, Options::default()).1.join("\n")
}

fn do_all(machine: &FakeMachine, remove: bool) {
    let system = machine.system();
    plan(&system, Options { remove, ..Options::default() }).execute(&system, |_| {}).unwrap();
}

const REMOVE: Options = Options { remove: true, no_service: false, no_tray: false };

#[test]
fn setup_runs_once_and_is_undone_completely() {
    let machine = fresh();
    let expected = [
        "write /etc/modprobe.d/bgcam.conf",
        "write /etc/modules-load.d/bgcam.conf",
        "sudo modprobe v4l2loopback",
        "write /home/ada/.config/systemd/user/bgcam.service",
        "systemctl --user daemon-reload",
        "systemctl --user enable --now bgcam.service",
    ];
    assert_eq!(lines(&machine), expected);
    do_all(&machine, false);
    assert!(
        machine.text(CONF).unwrap().contains("exclusive_caps=1 card_label=\"Virtual Background Cam\" max_buffers=4")
    );
    assert!(machine.text(UNIT).unwrap().contains("ExecStart=%h/.cargo/bin/bgcam daemon"));
    assert!(machine.text(RECORD).is_some());
    let machine = afterwards(machine);
    assert_eq!(planned(&machine, Options::default()), (vec![], vec![]), "a second run has no steps");
    let undo = [
        "systemctl --user disable --now bgcam.service",
        "delete /home/ada/.config/systemd/user/bgcam.service",
        "systemctl --user daemon-reload",
        "sudo modprobe -r v4l2loopback",
        "delete /etc/modules-load.d/bgcam.conf",
        "delete /etc/modprobe.d/bgcam.conf",
    ];
    assert_eq!(planned(&machine, REMOVE).0, undo);
    do_all(&machine, true);
    assert_eq!([CONF, BOOT, UNIT, RECORD].map(|path| machine.text(path)), [const { None }; 4]);
    assert!(planned(&fresh(), REMOVE).0.is_empty(), "only recorded changes are undone");
}

#[cfg(feature = "tray")]
#[test]
fn the_icon_is_set_up_in_a_graphical_session_and_removed_again() {
    const TRAY: &str = "/home/ada/.config/systemd/user/bgcam-tray.service";
    let graphical = || fresh().var("WAYLAND_DISPLAY", "wayland-0");
    let machine = graphical();
    let expected = [
        format!("write {TRAY}"),
        "systemctl --user daemon-reload".to_owned(),
        "systemctl --user enable --now bgcam-tray.service".to_owned(),
    ];
    assert!(lines(&machine).ends_with(&expected), "{:?}", lines(&machine));
    let without = planned(&machine, Options { no_tray: true, ..Options::default() }).0;
    assert_eq!(without, lines(&fresh()), "a server has no icon either");
    do_all(&machine, false);
    assert!(machine.text(TRAY).unwrap().contains("ExecStart=%h/.cargo/bin/bgcam tray"));
    let machine = afterwards(machine);
    assert_eq!(planned(&machine, Options::default()), (vec![], vec![]), "a second run has no steps");
    let undo = [
        "systemctl --user disable --now bgcam-tray.service".to_owned(),
        format!("delete {TRAY}"),
        "systemctl --user daemon-reload".to_owned(),
    ];
    assert!(planned(&machine, REMOVE).0.starts_with(&undo), "{:?}", planned(&machine, REMOVE).0);
    do_all(&machine, true);
    assert_eq!([TRAY, RECORD].map(|path| machine.text(path)), [const { None }; 2]);
}

#[test]
fn edited_files_are_kept_with_a_note() {
    let machine = fresh();
    do_all(&machine, false);
    let machine = afterwards(machine).with(CONF, "options v4l2loopback devices=2\n").with(UNIT, "[Service]\n");
    let (steps, notes_of_removal) = planned(&machine, REMOVE);
    assert_eq!(
        steps,
        [
            "systemctl --user disable --now bgcam.service",
            "sudo modprobe -r v4l2loopback",
            "delete /etc/modules-load.d/bgcam.conf"
        ]
    );
    assert!(
        notes_of_removal.iter().any(|note| note.contains(CONF))
            && notes_of_removal.iter().any(|note| note.contains(UNIT)),
        "{notes_of_removal:?}"
    );
    let text = notes(&machine);
    assert!(text.contains(&format!("{CONF} is kept")) && text.contains(&format!("{UNIT} is kept")), "{text}");
}

#[test]
fn a_file_of_an_older_version_is_replaced() {
    let machine = fresh();
    do_all(&machine, false);
    let old = "options v4l2loopback video_nr=9\n";
    let new = machine.text(CONF).unwrap();
    let record = machine
        .text(RECORD)
        .unwrap()
        .replace(&serde_json::to_string(&new).unwrap(), &serde_json::to_string(old).unwrap());
    let machine = afterwards(machine).with(CONF, old).with(RECORD, record);
    let system = machine.system();
    let plan = plan(&system, Options::default());
    assert_eq!(lines(&machine), ["write /etc/modprobe.d/bgcam.conf"]);
    let shown = anstream::adapter::strip_str(&PlanText(&plan, &system).to_string()).to_string();
    assert!(
        shown.contains("- options v4l2loopback video_nr=9\n") && shown.contains("+ options v4l2loopback exclusive"),
        "{shown}"
    );
}

#[test]
fn existing_module_options_are_kept() {
    let machine = fresh().with("/etc/modprobe.d/obs.conf", "options v4l2loopback devices=1 card_label=\"OBS\"\n");
    assert!(!lines(&machine).iter().any(|line| line.contains("modprobe.d")));
    assert!(notes(&machine).contains("/etc/modprobe.d/obs.conf already sets options"));
    let loaded = afterwards(machine).with(&format!("{NODE}/name"), "OBS");
    assert!(
        lines(&loaded).contains(&format!("sudo /home/ada/.cargo/bin/bgcam devices add '{LABEL}'")),
        "{:?}",
        lines(&loaded)
    );
}

#[test]
fn a_module_with_other_options_is_reloaded_if_unused() {
    let dummy = || afterwards(fresh()).with(&format!("{NODE}/name"), "Dummy video device");
    let all = lines(&dummy());
    assert!(
        all.contains(&"sudo modprobe -r v4l2loopback".to_owned())
            && all.contains(&"sudo modprobe v4l2loopback".to_owned())
    );
    let held = dummy().fake(|fake| fake.holders = vec![("/dev/video10".into(), holder(7, "obs"))]);
    assert!(
        lines(&held).iter().any(|line| line.contains("devices add"))
            && !lines(&held).iter().any(|line| line.contains("modprobe -r"))
    );
    let old = held.without("/dev/v4l2loopback");
    assert!(notes(&old).contains("close obs (pid 7)"), "{}", notes(&old));
}

#[test]
fn a_missing_module_is_installed_with_the_package_manager() {
    let missing = || fresh().without(&format!("/lib/modules/{KERNEL}/modules.dep"));
    let install = format!("sudo apt-get -y install v4l2loopback-dkms linux-headers-{KERNEL}");
    assert_eq!(lines(&missing())[..2], ["sudo apt-get -qq update".to_owned(), install]);
    let machine = missing().with("/etc/os-release", "ID=arch");
    assert_eq!(lines(&machine)[0], "sudo pacman --noconfirm -S v4l2loopback-dkms linux-headers");
    let nix = missing().with("/etc/os-release", "ID=nixos");
    assert!(packages(&nix.system()).is_none() && notes(&nix).contains("with your package manager"));
    assert!(!lines(&nix).iter().any(|line| line.contains("modprobe v4l2")));
}

#[test]
fn unavailable_steps_are_skipped() {
    let container = fresh().with("/run/.containerenv", "").without(&format!("/lib/modules/{KERNEL}"));
    assert!(lines(&container)[0].ends_with("bgcam.service") && notes(&container).contains("container"));
    let headless = fresh().without("/run/user/1000/systemd");
    assert_eq!(lines(&headless).len(), 3);
    assert!(notes(&headless).contains("bgcam daemon"));
    let rootless = fresh().without("/usr/bin/sudo");
    assert!(lines(&rootless).iter().all(|line| !line.contains("sudo") && !line.contains("/etc/")));
    assert!(notes(&rootless).contains("sudo is not installed"));
    let camera_only = planned(&fresh(), Options { no_service: true, ..Options::default() });
    assert!(camera_only.0.len() == 3 && camera_only.1.is_empty());
}

#[test]
fn the_group_is_joined_if_necessary_and_left_again() {
    let locked = |machine: FakeMachine| machine.fake(|fake| fake.cameras.denied = Some("/dev/video0".into()));
    let machine = locked(fresh().with("/etc/group", "video:x:44:\n"));
    let join = "sudo usermod -aG video ada".to_owned();
    assert!(lines(&machine).contains(&join));
    do_all(&machine, false);
    let machine = afterwards(machine).with("/etc/group", "video:x:44:ada\n");
    assert!(!lines(&machine).contains(&join) && notes(&machine).contains("log out and back in"));
    assert!(planned(&machine, REMOVE).0.contains(&"sudo gpasswd -d ada video".to_owned()));
}

#[test]
fn root_writes_files_directly_and_runs_user_steps_as_the_user() {
    let machine = fresh().with_root();
    let all = lines(&machine);
    assert!(all.contains(&"modprobe v4l2loopback".to_owned()), "{all:?}");
    let enable = "runuser -u ada -- env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user enable --now bgcam.service";
    assert!(all.contains(&enable.to_owned()), "{all:?}");
    do_all(&machine, false);
    assert!(machine.text(CONF).is_some());
    let by_ada = "runuser -u ada -- env XDG_RUNTIME_DIR=/run/user/1000 sh -c ";
    let writes_unit = |change: &String| change.starts_with(by_ada) && change.contains(&format!(" {UNIT} <"));
    assert!(machine.changes().iter().any(writes_unit), "{:?}", machine.changes());
}

#[test]
fn the_unit_starts_this_program_at_any_path() {
    let machine = fresh().program("/opt/100% $mine/bgcam");
    do_all(&machine, false);
    assert!(machine.text(UNIT).unwrap().contains("ExecStart=\"/opt/100%% $mine/bgcam\" daemon\n"));
    let quoted = fresh().program("/opt/\"mine\"/bgcam");
    assert!(!lines(&quoted).iter().any(|line| line.contains("bgcam.service")) && notes(&quoted).contains("quotes"));
    let packaged = fresh().program("/usr/bin/bgcam").with("/usr/lib/systemd/user/bgcam.service", "");
    assert!(!lines(&packaged).iter().any(|line| line.contains("write /home")));
    assert!(lines(&packaged).contains(&"systemctl --user enable --now bgcam.service".to_owned()));
}

#[test]
fn a_failed_step_is_not_recorded_and_does_not_stop_others() {
    let machine = fresh().fake(|fake| fake.refuses = vec!["sudo modprobe".into()]);
    let system = machine.system();
    let failure = plan(&system, Options::default()).execute(&system, |_| {}).unwrap_err();
    assert!(failure.message.contains("sudo modprobe v4l2loopback: command failed with exit status: 1"), "{failure}");
    assert!(failure.hint.unwrap().contains("Key was rejected"));
    assert!(machine.text(UNIT).is_some());
    assert!(!Record::read(&system).loaded && Record::read(&system).enabled);
}

/// When setup is interrupted during a step.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// After recording the step, before running it.
    Recorded,
    /// In the middle of writing a file.
    HalfWritten,
    /// After the step, before recording the result.
    Done,
}

const MOMENTS: [Moment; 3] = [Moment::Recorded, Moment::HalfWritten, Moment::Done];

/// A machine that needs every kind of step: packages, files, module, group, service.
fn bare() -> FakeMachine {
    let machine = fresh().without(&format!("/lib/modules/{KERNEL}/modules.dep")).with("/etc/group", "video:x:44:\n");
    machine.with("/usr/bin/dpkg", "").fake(|fake| fake.cameras.denied = Some("/dev/video0".into()))
}

/// The effect of a command on the machine.
fn effect(machine: FakeMachine, line: &str) -> FakeMachine {
    let loaded = "/sys/module/v4l2loopback";
    match line.trim_start_matches("sudo ") {
        line if line.starts_with("apt-get -y install") => {
            machine.with(&format!("/lib/modules/{KERNEL}/modules.dep"), "updates/dkms/v4l2loopback.ko:\n")
        }
        "modprobe v4l2loopback" => machine
            .with(&format!("{loaded}/version"), "0.15.4")
            .with(&format!("{loaded}/parameters/exclusive_caps"), "Y,N")
            .with(&format!("{loaded}/parameters/video_nr"), "10,-1")
            .with(&format!("{NODE}/name"), LABEL)
            .with(&format!("{NODE}/max_openers"), "10")
            .with(&format!("{NODE}/state"), "output"),
        "modprobe -r v4l2loopback" => machine.without(loaded).without(NODE),
        "usermod -aG video ada" => machine.with("/etc/group", "video:x:44:ada\n"),
        "gpasswd -d ada video" => machine.with("/etc/group", "video:x:44:\n"),
        line if line.contains("enable --now") => {
            machine.prints("systemctl --user show", "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n")
        }
        line if line.contains("disable --now") => {
            machine.prints("systemctl --user show", "LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n")
        }
        _ => machine,
    }
}

/// Executes a plan like [`Plan::execute`], to the end or until an interruption in the step with this number.
fn run_until(mut machine: FakeMachine, options: Options, end: Option<(usize, Moment)>) -> FakeMachine {
    let mut plan = plan(&machine.system(), options);
    for (number, step) in std::mem::take(&mut plan.steps).into_iter().enumerate() {
        let system = machine.system();
        let moment = end.filter(|(last, _)| *last == number).map(|(_, moment)| moment);
        plan.begin(&system, &step).unwrap();
        match (moment, &step.action) {
            (Some(Moment::Recorded), _) => return machine,
            (Some(Moment::HalfWritten), Action::Write { path, text, .. }) => {
                return machine.with(temporary(path).to_str().unwrap(), &text[..text.len() / 2]);
            }
            _ => {}
        }
        step.perform(&system).unwrap();
        machine = effect(machine, &step.command_line(&system));
        if moment.is_some() {
            return machine;
        }
        plan.record.end(&step, true);
    }
    plan.record.write(&machine.system()).unwrap();
    machine
}

/// Everything that setup may leave behind.
fn traces(machine: &FakeMachine) -> Vec<String> {
    let files = [CONF, BOOT, UNIT, RECORD].into_iter().flat_map(|path| [path.into(), temporary(Path::new(path))]);
    let mut left: Vec<_> =
        files.filter(|path| machine.at(path.to_str().unwrap()).exists()).map(|path| text(&path)).collect();
    let system = machine.system();
    let group = machine.text("/etc/group").unwrap();
    left.extend(machine.at("/sys/module/v4l2loopback").exists().then(|| "the module".to_owned()));
    left.extend(group.contains("ada").then_some(group));
    let state = system.probe().run(&["systemctl", "--user", "show"]).unwrap().stdout;
    left.extend((state.contains("=enabled") || state.contains("=active")).then_some(state));
    left
}

#[test]
fn an_interrupted_setup_is_undone_completely() {
    let steps = lines(&bare()).len();
    assert_eq!(steps, 9, "{:?}", lines(&bare()));
    for end in (0..steps).flat_map(|step| MOMENTS.map(|moment| (step, moment))) {
        let machine = run_until(run_until(bare(), Options::default(), Some(end)), REMOVE, None);
        assert_eq!(traces(&machine), Vec::<String>::new(), "interrupted at {end:?}");
        assert!(lines(&machine).len() >= 7, "everything must be set up again after {end:?}");
    }
}

#[test]
fn an_interrupted_setup_is_continued() {
    for end in (0..lines(&bare()).len()).flat_map(|step| MOMENTS.map(|moment| (step, moment))) {
        let machine = run_until(run_until(bare(), Options::default(), Some(end)), Options::default(), None);
        assert_eq!(lines(&machine), Vec::<String>::new(), "interrupted at {end:?}, then continued");
        let record = Record::read(&machine.system());
        assert!(record.loaded && record.group && record.packages && record.enabled, "{end:?}: {record:?}");
        assert_eq!(record.files.len(), 3, "{end:?}: {record:?}");
        assert_eq!(traces(&run_until(machine, REMOVE, None)), Vec::<String>::new(), "{end:?}");
    }
}

#[test]
fn an_interrupted_removal_is_continued() {
    let set_up = || run_until(bare(), Options::default(), None);
    let steps = planned(&set_up(), REMOVE).0.len();
    assert!(steps >= 7);
    for end in (0..steps).flat_map(|step| [Moment::Recorded, Moment::Done].map(|moment| (step, moment))) {
        let machine = run_until(run_until(set_up(), REMOVE, Some(end)), REMOVE, None);
        assert_eq!(traces(&machine), Vec::<String>::new(), "interrupted at {end:?}");
    }
}

#[test]
fn an_interrupted_installation_is_completed_first() {
    let machine = run_until(bare(), Options::default(), Some((1, Moment::Recorded)));
    assert_eq!(lines(&machine)[0], "sudo dpkg --configure -a");
    assert!(lines(&machine)[2].contains("apt-get -y install"), "{:?}", lines(&machine));
    let fedora = machine.without("/usr/bin/dpkg");
    assert!(!lines(&fedora).iter().any(|line| line.contains("dpkg --configure")));
}

#[test]
fn steps_that_cannot_be_recorded_do_not_run() {
    // a file in place of the record's folder
    let machine = fresh().with("/home/ada/.local/state/bgcam", "");
    let system = machine.system();
    let failure = plan(&system, Options::default()).execute(&system, |_| {}).unwrap_err();
    assert!(failure.message.contains("record the next step"), "{failure}");
    assert_eq!((machine.changes(), machine.text(CONF)), (vec![], None));
}

#[test]
fn a_damaged_record_is_reported() {
    let machine = fresh().with(RECORD, "{\"files\": {");
    assert!(notes(&machine).contains("setup.json is damaged"), "{}", notes(&machine));
}

#[test]
fn systemd_accepts_the_unit_and_finds_the_program() {
    use std::{os::unix::fs::PermissionsExt, process::Command};
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("a 100% odd $name").join("bgcam");
    fs::create_dir(program.parent().unwrap()).unwrap();
    fs::write(&program, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let machine = fresh().program(program.to_str().unwrap());
    do_all(&machine, false);
    let mut verify = Command::new("systemd-analyze");
    verify.args(["--user", "verify"]).arg(machine.at(UNIT)).env("XDG_RUNTIME_DIR", dir.path());
    match verify.output() {
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !stderr.contains("bgcam"), "{stderr}");
        }
        #[expect(clippy::print_stderr, reason = "reports a skipped test")]
        Err(_) => eprintln!("skipped: systemd-analyze is not installed"),
    }
}
