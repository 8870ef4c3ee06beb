//! Setting up, doing it twice, and undoing it, on twins of a machine.

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

/// A machine on which nothing is set up; the module is installed and not loaded, and `ada` has `sudo`.
fn fresh() -> FakeMachine {
    [CONF, BOOT, UNIT, "/sys/module/v4l2loopback", NODE]
        .into_iter()
        .fold(FakeMachine::new(), FakeMachine::without)
        .says("systemctl --user show", "LoadState=not-found\nActiveState=inactive\nUnitFileState=\n")
}

/// What happens to the machine when all of it was done.
fn afterwards(twin: FakeMachine) -> FakeMachine {
    twin.with("/sys/module/v4l2loopback/version", "0.15.4")
        .with("/sys/module/v4l2loopback/parameters/exclusive_caps", "Y,N")
        .with("/sys/module/v4l2loopback/parameters/video_nr", "10,-1")
        .with(&format!("{NODE}/name"), LABEL)
        .with(&format!("{NODE}/max_openers"), "10")
        .with(&format!("{NODE}/state"), "output")
        .says("systemctl --user show", "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n")
}

fn planned(twin: &FakeMachine, options: Options) -> (Vec<String>, Vec<String>) {
    let system = twin.system();
    let plan = plan(&system, options);
    (plan.steps.iter().map(|step| step.command_line(&system)).collect(), plan.notes)
}

fn lines(twin: &FakeMachine) -> Vec<String> {
    planned(twin, Options::default()).0
}

fn notes(twin: &FakeMachine) -> String {
    planned(twin, Options::default()).1.join("\n")
}

fn do_all(twin: &FakeMachine, remove: bool) {
    let system = twin.system();
    plan(&system, Options { remove, no_service: false }).carry_out(&system, |_| {}).unwrap();
}

const REMOVE: Options = Options { remove: true, no_service: false };

#[test]
fn all_is_set_up_once_and_undone_without_a_trace() {
    let twin = fresh();
    let expected = [
        "write /etc/modprobe.d/bgcam.conf",
        "write /etc/modules-load.d/bgcam.conf",
        "sudo modprobe v4l2loopback",
        "write /home/ada/.config/systemd/user/bgcam.service",
        "systemctl --user daemon-reload",
        "systemctl --user enable --now bgcam.service",
    ];
    assert_eq!(lines(&twin), expected);
    do_all(&twin, false);
    assert!(twin.text(CONF).unwrap().contains("exclusive_caps=1 card_label=\"Virtual Background Cam\" max_buffers=4"));
    assert!(twin.text(UNIT).unwrap().contains("ExecStart=%h/.cargo/bin/bgcam daemon"));
    assert!(twin.text(RECORD).is_some());
    let twin = afterwards(twin);
    assert_eq!(planned(&twin, Options::default()), (vec![], vec![]), "a second run has nothing to change");
    let undo = [
        "systemctl --user disable --now bgcam.service",
        "delete /home/ada/.config/systemd/user/bgcam.service",
        "systemctl --user daemon-reload",
        "sudo modprobe -r v4l2loopback",
        "delete /etc/modules-load.d/bgcam.conf",
        "delete /etc/modprobe.d/bgcam.conf",
    ];
    assert_eq!(planned(&twin, REMOVE).0, undo);
    do_all(&twin, true);
    assert_eq!([CONF, BOOT, UNIT, RECORD].map(|path| twin.text(path)), [const { None }; 4]);
    assert!(planned(&fresh(), REMOVE).0.is_empty(), "nothing is undone that was not done");
}

#[test]
fn what_the_user_has_changed_is_kept_and_said() {
    let twin = fresh();
    do_all(&twin, false);
    let twin = afterwards(twin).with(CONF, "options v4l2loopback devices=2\n").with(UNIT, "[Service]\n");
    let (steps, said) = planned(&twin, REMOVE);
    assert_eq!(
        steps,
        [
            "systemctl --user disable --now bgcam.service",
            "sudo modprobe -r v4l2loopback",
            "delete /etc/modules-load.d/bgcam.conf"
        ]
    );
    assert!(said.iter().any(|note| note.contains(CONF)) && said.iter().any(|note| note.contains(UNIT)), "{said:?}");
    let said = notes(&twin);
    assert!(said.contains(&format!("{CONF} is kept")) && said.contains(&format!("{UNIT} is kept")), "{said}");
}

#[test]
fn an_older_file_of_ours_is_replaced() {
    let twin = fresh();
    do_all(&twin, false);
    let (old, new) = ("options v4l2loopback video_nr=9\n", twin.text(CONF).unwrap());
    let record =
        twin.text(RECORD).unwrap().replace(&serde_json::to_string(&new).unwrap(), &serde_json::to_string(old).unwrap());
    let twin = afterwards(twin).with(CONF, old).with(RECORD, record);
    let system = twin.system();
    let plan = plan(&system, Options::default());
    assert_eq!(lines(&twin), ["write /etc/modprobe.d/bgcam.conf"]);
    let shown = anstream::adapter::strip_str(&Text(&plan, &system).to_string()).to_string();
    assert!(
        shown.contains("- options v4l2loopback video_nr=9\n") && shown.contains("+ options v4l2loopback exclusive"),
        "{shown}"
    );
}

#[test]
fn options_of_the_users_own_are_respected() {
    let twin = fresh().with("/etc/modprobe.d/obs.conf", "options v4l2loopback devices=1 card_label=\"OBS\"\n");
    assert!(!lines(&twin).iter().any(|line| line.contains("modprobe.d")));
    assert!(notes(&twin).contains("/etc/modprobe.d/obs.conf sets options"));
    let loaded = afterwards(twin).with(&format!("{NODE}/name"), "OBS");
    assert!(
        lines(&loaded).contains(&format!("sudo /home/ada/.cargo/bin/bgcam devices add '{LABEL}'")),
        "{:?}",
        lines(&loaded)
    );
}

#[test]
fn a_module_with_other_options_is_loaded_anew_unless_somebody_uses_it() {
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
fn a_module_that_is_missing_is_installed_as_the_distribution_does() {
    let missing = || fresh().without(&format!("/lib/modules/{KERNEL}/modules.dep"));
    let install = format!("sudo apt-get -y install v4l2loopback-dkms linux-headers-{KERNEL}");
    assert_eq!(lines(&missing())[..2], ["sudo apt-get -qq update".to_owned(), install]);
    let twin = missing().with("/etc/os-release", "ID=arch");
    assert_eq!(lines(&twin)[0], "sudo pacman --noconfirm -S v4l2loopback-dkms linux-headers");
    let nix = missing().with("/etc/os-release", "ID=nixos");
    assert!(packages(&nix.system()).is_none() && notes(&nix).contains("as your distribution does"));
    assert!(!lines(&nix).iter().any(|line| line.contains("modprobe v4l2")));
}

#[test]
fn where_something_is_not_to_be_had_the_rest_is_done() {
    let container = fresh().with("/run/.containerenv", "").without(&format!("/lib/modules/{KERNEL}"));
    assert!(lines(&container)[0].ends_with("bgcam.service") && notes(&container).contains("container"));
    let headless = fresh().without("/run/user/1000/systemd");
    assert_eq!(lines(&headless).len(), 3);
    assert!(notes(&headless).contains("bgcam daemon"));
    let rootless = fresh().without("/usr/bin/sudo");
    assert!(lines(&rootless).iter().all(|line| !line.contains("sudo") && !line.contains("/etc/")));
    assert!(notes(&rootless).contains("no sudo"));
    let camera_only = planned(&fresh(), Options { no_service: true, ..Options::default() });
    assert!(camera_only.0.len() == 3 && camera_only.1.is_empty());
}

#[test]
fn the_group_is_joined_when_a_camera_wants_it_and_left_again() {
    let locked = |twin: FakeMachine| twin.fake(|fake| fake.cameras.denied = Some("/dev/video0".into()));
    let twin = locked(fresh().with("/etc/group", "video:x:44:\n"));
    let join = "sudo usermod -aG video ada".to_owned();
    assert!(lines(&twin).contains(&join));
    do_all(&twin, false);
    let twin = afterwards(twin).with("/etc/group", "video:x:44:ada\n");
    assert!(!lines(&twin).contains(&join) && notes(&twin).contains("log out and in again"));
    assert!(planned(&twin, REMOVE).0.contains(&"sudo gpasswd -d ada video".to_owned()));
}

#[test]
fn root_writes_itself_and_does_the_users_part_as_the_user() {
    let twin = fresh().with_root();
    let all = lines(&twin);
    assert!(all.contains(&"modprobe v4l2loopback".to_owned()), "{all:?}");
    let enable = "runuser -u ada -- env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user enable --now bgcam.service";
    assert!(all.contains(&enable.to_owned()), "{all:?}");
    do_all(&twin, false);
    assert!(twin.text(CONF).is_some());
    let by_ada = "runuser -u ada -- env XDG_RUNTIME_DIR=/run/user/1000 sh -c ";
    let writes_unit = |change: &String| change.starts_with(by_ada) && change.contains(&format!(" {UNIT} <"));
    assert!(twin.changes().iter().any(writes_unit), "{:?}", twin.changes());
}

#[test]
fn the_unit_starts_this_program_wherever_it_is() {
    let twin = fresh().program("/opt/100% $mine/bgcam");
    do_all(&twin, false);
    assert!(twin.text(UNIT).unwrap().contains("ExecStart=\"/opt/100%% $mine/bgcam\" daemon\n"));
    let quoted = fresh().program("/opt/\"mine\"/bgcam");
    assert!(!lines(&quoted).iter().any(|line| line.contains("bgcam.service")) && notes(&quoted).contains("quotes"));
    let packaged = fresh().program("/usr/bin/bgcam").with("/usr/lib/systemd/user/bgcam.service", "");
    assert!(!lines(&packaged).iter().any(|line| line.contains("write /home")));
    assert!(lines(&packaged).contains(&"systemctl --user enable --now bgcam.service".to_owned()));
}

#[test]
fn a_step_that_fails_stops_no_other_and_is_not_taken_for_done() {
    let twin = fresh().fake(|fake| fake.refuses = vec!["sudo modprobe".into()]);
    let system = twin.system();
    let failure = plan(&system, Options::default()).carry_out(&system, |_| {}).unwrap_err();
    assert!(failure.message.contains("sudo modprobe v4l2loopback: it ended with exit status: 1"), "{failure}");
    assert!(failure.hint.unwrap().contains("Key was rejected"));
    assert!(twin.text(UNIT).is_some());
    assert!(!Record::read(&system).loaded && Record::read(&system).enabled);
}

/// When a run of setup is interrupted, in the middle of a step.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// It was recorded, and nothing of it done.
    Recorded,
    /// Half of a file was written.
    HalfWritten,
    /// It was done, and that was not recorded.
    Done,
}

const MOMENTS: [Moment; 3] = [Moment::Recorded, Moment::HalfWritten, Moment::Done];

/// A machine on which every kind of step is necessary: packages, files, the module, the group, the service.
fn bare() -> FakeMachine {
    let twin = fresh().without(&format!("/lib/modules/{KERNEL}/modules.dep")).with("/etc/group", "video:x:44:\n");
    twin.with("/usr/bin/dpkg", "").fake(|fake| fake.cameras.denied = Some("/dev/video0".into()))
}

/// What a command does to the machine.
fn effect(twin: FakeMachine, line: &str) -> FakeMachine {
    let loaded = "/sys/module/v4l2loopback";
    match line.trim_start_matches("sudo ") {
        line if line.starts_with("apt-get -y install") => {
            twin.with(&format!("/lib/modules/{KERNEL}/modules.dep"), "updates/dkms/v4l2loopback.ko:\n")
        }
        "modprobe v4l2loopback" => twin
            .with(&format!("{loaded}/version"), "0.15.4")
            .with(&format!("{loaded}/parameters/exclusive_caps"), "Y,N")
            .with(&format!("{loaded}/parameters/video_nr"), "10,-1")
            .with(&format!("{NODE}/name"), LABEL)
            .with(&format!("{NODE}/max_openers"), "10")
            .with(&format!("{NODE}/state"), "output"),
        "modprobe -r v4l2loopback" => twin.without(loaded).without(NODE),
        "usermod -aG video ada" => twin.with("/etc/group", "video:x:44:ada\n"),
        "gpasswd -d ada video" => twin.with("/etc/group", "video:x:44:\n"),
        line if line.contains("enable --now") => {
            twin.says("systemctl --user show", "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n")
        }
        line if line.contains("disable --now") => {
            twin.says("systemctl --user show", "LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n")
        }
        _ => twin,
    }
}

/// Sets up or undoes, as [`Plan::carry_out`] does; to its end, or until it is interrupted in the step of that number.
fn run_until(mut twin: FakeMachine, options: Options, end: Option<(usize, Moment)>) -> FakeMachine {
    let mut plan = plan(&twin.system(), options);
    for (number, step) in std::mem::take(&mut plan.steps).into_iter().enumerate() {
        let (system, moment) = (twin.system(), end.filter(|(last, _)| *last == number).map(|(_, moment)| moment));
        plan.begin(&system, &step).unwrap();
        match (moment, &step.action) {
            (Some(Moment::Recorded), _) => return twin,
            (Some(Moment::HalfWritten), Action::Write { path, text, .. }) => {
                return twin.with(temporary(path).to_str().unwrap(), &text[..text.len() / 2]);
            }
            _ => {}
        }
        step.perform(&system).unwrap();
        twin = effect(twin, &step.command_line(&system));
        if moment.is_some() {
            return twin;
        }
        plan.record.end(&step, true);
    }
    plan.record.write(&twin.system()).unwrap();
    twin
}

/// What setup can leave behind.
fn traces(twin: &FakeMachine) -> Vec<String> {
    let files = [CONF, BOOT, UNIT, RECORD].into_iter().flat_map(|path| [path.into(), temporary(Path::new(path))]);
    let mut left: Vec<_> =
        files.filter(|path| twin.at(path.to_str().unwrap()).exists()).map(|path| text(&path)).collect();
    let (system, group) = (twin.system(), twin.text("/etc/group").unwrap());
    left.extend(twin.at("/sys/module/v4l2loopback").exists().then(|| "the module".to_owned()));
    left.extend(group.contains("ada").then_some(group));
    let state = system.probe().run(&["systemctl", "--user", "show"]).unwrap().stdout;
    left.extend((state.contains("=enabled") || state.contains("=active")).then_some(state));
    left
}

#[test]
fn a_setup_that_is_interrupted_at_any_step_is_undone_without_a_trace() {
    let steps = lines(&bare()).len();
    assert_eq!(steps, 9, "{:?}", lines(&bare()));
    for end in (0..steps).flat_map(|step| MOMENTS.map(|moment| (step, moment))) {
        let twin = run_until(run_until(bare(), Options::default(), Some(end)), REMOVE, None);
        assert_eq!(traces(&twin), Vec::<String>::new(), "interrupted at {end:?}");
        assert!(lines(&twin).len() >= 7, "all is to be set up again after {end:?}");
    }
}

#[test]
fn a_setup_that_is_interrupted_at_any_step_is_continued() {
    for end in (0..lines(&bare()).len()).flat_map(|step| MOMENTS.map(|moment| (step, moment))) {
        let twin = run_until(run_until(bare(), Options::default(), Some(end)), Options::default(), None);
        assert_eq!(lines(&twin), Vec::<String>::new(), "interrupted at {end:?}, then continued");
        let record = Record::read(&twin.system());
        assert!(record.loaded && record.group && record.packages && record.enabled, "{end:?}: {record:?}");
        assert_eq!(record.files.len(), 3, "{end:?}: {record:?}");
        assert_eq!(traces(&run_until(twin, REMOVE, None)), Vec::<String>::new(), "{end:?}");
    }
}

#[test]
fn an_undoing_that_is_interrupted_at_any_step_is_continued() {
    let set_up = || run_until(bare(), Options::default(), None);
    let steps = planned(&set_up(), REMOVE).0.len();
    assert!(steps >= 7);
    for end in (0..steps).flat_map(|step| [Moment::Recorded, Moment::Done].map(|moment| (step, moment))) {
        let twin = run_until(run_until(set_up(), REMOVE, Some(end)), REMOVE, None);
        assert_eq!(traces(&twin), Vec::<String>::new(), "interrupted at {end:?}");
    }
}

#[test]
fn an_installation_that_was_interrupted_is_completed_first() {
    let twin = run_until(bare(), Options::default(), Some((1, Moment::Recorded)));
    assert_eq!(lines(&twin)[0], "sudo dpkg --configure -a");
    assert!(lines(&twin)[2].contains("apt-get -y install"), "{:?}", lines(&twin));
    let fedora = twin.without("/usr/bin/dpkg");
    assert!(!lines(&fedora).iter().any(|line| line.contains("dpkg --configure")));
}

#[test]
fn what_cannot_be_recorded_is_not_done() {
    // a file where the folder of the record would be
    let twin = fresh().with("/home/ada/.local/state/bgcam", "");
    let system = twin.system();
    let failure = plan(&system, Options::default()).carry_out(&system, |_| {}).unwrap_err();
    assert!(failure.message.contains("remember what is about to be changed"), "{failure}");
    assert_eq!((twin.changes(), twin.text(CONF)), (vec![], None));
}

#[test]
fn a_record_that_is_damaged_is_reported() {
    let twin = fresh().with(RECORD, "{\"files\": {");
    assert!(notes(&twin).contains("setup.json is damaged"), "{}", notes(&twin));
}

#[test]
fn systemd_takes_the_unit_and_finds_the_program() {
    use std::{os::unix::fs::PermissionsExt, process::Command};
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("a 100% odd $name").join("bgcam");
    fs::create_dir(program.parent().unwrap()).unwrap();
    fs::write(&program, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let twin = fresh().program(program.to_str().unwrap());
    do_all(&twin, false);
    let mut verify = Command::new("systemd-analyze");
    verify.args(["--user", "verify"]).arg(twin.at(UNIT)).env("XDG_RUNTIME_DIR", dir.path());
    match verify.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !said.contains("bgcam"), "{said}");
        }
        #[expect(clippy::print_stderr, reason = "the word of a skipped test")]
        Err(_) => eprintln!("skipped: systemd-analyze is not there"),
    }
}
