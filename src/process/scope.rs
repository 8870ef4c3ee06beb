//! Programs outside the service's control group, which take only CPU time that nothing else needs: a nice value compares
//! processes of one service only.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use super::child::{self, Needs};

/// How long systemd may take to create a scope.
const LIMIT: Duration = Duration::from_secs(5);

/// The options of a scope: no CPU time that others want, and collected even if the program fails.
const OPTIONS: [&str; 6] =
    ["--user", "--scope", "--quiet", "--collect", "--slice=background.slice", "--property=CPUWeight=idle"];

/// Whether this process is a service, and systemd creates scopes for it. Blocks for a moment, while a program is run in
/// one.
pub(crate) fn is_available() -> bool {
    if env::var_os("INVOCATION_ID").is_none() {
        return false;
    }
    let mut test = command(Path::new("true"), true);
    test.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = test.spawn().and_then(|mut process| child::wait(&mut process, LIMIT));
    status.is_ok_and(|status| status.success())
}

/// A command for `program`, in a scope or not. systemd-run replaces itself with the program, so its process id and its
/// parent are the same.
pub(crate) fn command(program: &Path, in_scope: bool) -> Command {
    if !in_scope {
        return child::command(program, &[]);
    }
    let mut command = child::command("systemd-run", &[Needs::Session]);
    command.args(OPTIONS).arg("--").arg(program);
    command
}
