//! The real machine: this process's user, environment and devices.

use std::{collections::BTreeMap, env, fs, io, path::Path, process::Stdio, sync::mpsc, thread, time::Duration};

use rustix::{
    fs::{Access, access, statvfs},
    process,
};

use super::{Cameras, CommandOutput, Library, Probe, System, User};
use crate::{
    camera,
    control::{
        client::{Client, ConnectError},
        protocol::{Request, Response, Status},
    },
    error::{Failure, Kind},
    mask,
    process::child::{self, Needs},
    sink,
    v4l2::holders::{self, Holder},
};

/// Timeout for a probed program and for the daemon.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// The probe of the real machine.
#[derive(Debug)]
pub struct Real;

impl System {
    /// This machine, for the user of this process, or for the caller of `sudo`.
    pub fn real() -> Self {
        let uid = process::getuid().as_raw();
        let gid = process::getgid().as_raw();
        let as_root = process::geteuid().is_root();
        let mut variables: BTreeMap<_, _> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let caller = variables.get("SUDO_UID").and_then(|uid| uid.parse().ok());
        let user = match caller.filter(|caller| as_root && *caller != 0).and_then(|caller| user_in(&passwd, caller)) {
            Some(user) => {
                // sudo leaves root's values, or none
                variables.retain(|name, _| !name.starts_with("XDG_"));
                variables.insert("XDG_RUNTIME_DIR".to_owned(), format!("/run/user/{}", user.uid));
                user
            }
            None => {
                let nameless = User { uid, gid, name: uid.to_string(), home: "/".into(), groups: Vec::new() };
                let named = user_in(&passwd, uid).unwrap_or(nameless);
                let home = env::home_dir().unwrap_or_else(|| named.home.clone());
                User { groups: session_groups(), home, ..named }
            }
        };
        let program = env::current_exe().and_then(|path| path.canonicalize()).unwrap_or_else(|_| "bgcam".into());
        Self::new(Path::new("/"), variables, user, as_root, program, Box::new(Real))
    }
}

/// The user with this id in a file like `/etc/passwd`, with the primary group only.
fn user_in(passwd: &str, uid: u32) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let found: u32 = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let home = fields.nth(1)?;
        (found == uid).then(|| User { uid, gid, name: name.to_owned(), home: home.into(), groups: vec![gid] })
    })
}

fn session_groups() -> Vec<u32> {
    process::getgroups().unwrap_or_default().into_iter().map(process::Gid::as_raw).collect()
}

impl Probe for Real {
    fn run(&self, command: &[&str]) -> io::Result<CommandOutput> {
        let mut child = child::command(command[0], &[Needs::Session])
            .args(&command[1..])
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // threads: an unread pipe would block the child, and a pipe inherited by a grandchild would block us
        let stdout = read_in_background(child.stdout.take());
        let stderr = read_in_background(child.stderr.take());
        let ok = child::wait(&mut child, PROBE_TIMEOUT)?.success();
        let text = |output: mpsc::Receiver<String>| output.recv_timeout(PROBE_TIMEOUT).unwrap_or_default();
        Ok(CommandOutput { ok, stdout: text(stdout), stderr: text(stderr) })
    }

    fn change(&self, command: &[String], input: &str) -> io::Result<()> {
        let stdin = if input.is_empty() { Stdio::inherit() } else { Stdio::piped() };
        let needs = [Needs::Session, Needs::Desktop, Needs::Network, Needs::Admin];
        let mut command_line = child::command(&command[0], &needs);
        let mut child = command_line.args(&command[1..]).stdin(stdin).stdout(io::stderr()).spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            io::Write::write_all(&mut pipe, input.as_bytes())?;
        }
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("command failed with {status}"))) }
    }

    fn cameras(&self) -> Cameras {
        camera::scan()
    }

    fn holders(&self, node: &Path) -> Vec<Holder> {
        holders::all(node).unwrap_or_default()
    }

    fn captures(&self, holder: &Holder, node: &Path) -> bool {
        holders::has_mapped(holder.pid, node)
    }

    fn may_write(&self, path: &Path) -> bool {
        access(path, Access::WRITE_OK).is_ok()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let found = statvfs(path)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn onnx_runtime(&self, settings: &mask::Settings) -> Result<Library, Failure> {
        let path = mask::library(settings)?;
        Ok(Library { version: mask::library_version(&path), path })
    }

    fn pipewire_library(&self) -> Result<(), Failure> {
        sink::pipewire_library().map_err(Failure::from)
    }

    fn daemon(&self, dir: &Path) -> Result<Option<Status>, Failure> {
        let connected = Client::connect_with_timeout(dir, PROBE_TIMEOUT);
        match connected.map(|mut client| client.call(&Request::Status)) {
            Ok(Ok(Response::Status(status))) => Ok(Some(*status)),
            Ok(Ok(_)) => {
                Err(Failure::new(Kind::Internal, "the daemon sent an unexpected response to a status request"))
            }
            Ok(Err(failure)) | Err(ConnectError::Failed(failure)) => Err(failure),
            Err(ConnectError::NoDaemon) => Ok(None),
        }
    }
}

/// Reads a pipe to its end in a thread and sends the text.
fn read_in_background(pipe: Option<impl io::Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_is_found_by_id() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1001:Ada,,,:/home/ada:/bin/zsh\nbroken\n";
        let ada = user_in(passwd, 1000).unwrap();
        assert_eq!((ada.name.as_str(), ada.gid, ada.home.as_path()), ("ada", 1001, Path::new("/home/ada")));
        assert_eq!(user_in(passwd, 7), None);
    }

    #[test]
    fn program_output_is_read_to_the_end() {
        let output = Real.run(&["sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x; echo oh >&2; exit 3"]).unwrap();
        assert_eq!((output.ok, output.stdout.len(), output.stderr.as_str()), (false, 200_000, "oh\n"));
        assert_eq!(Real.run(&["bgcam-no-such-program"]).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(Real.run(&["sleep", "60"]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn change_gets_its_input_and_reports_failure() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a/b.conf");
        let install = ["install", "-D", "-m", "644", "/dev/stdin", file.to_str().unwrap()].map(str::to_owned);
        Real.change(&install, "options x\n").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "options x\n");
        let error = Real.change(&["false".to_owned()], "").unwrap_err();
        assert!(error.to_string().contains("exit status: 1"), "{error}");
    }

    #[test]
    fn free_space_and_write_access_fail_for_missing_folder() {
        assert!(Real.free_bytes(Path::new("/")).unwrap() > 0);
        assert!(Real.free_bytes(Path::new("/no/such/folder")).is_err());
        assert!(!Real.may_write(Path::new("/no/such/folder")));
    }
}
