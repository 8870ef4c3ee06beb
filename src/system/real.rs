//! The real machine: this process's user, environment and devices.

use std::{
    collections::BTreeMap, env, ffi::CString, fs, io, os::unix::ffi::OsStrExt, path::Path, process::Stdio, sync::mpsc,
    thread, time::Duration,
};

use super::{Cameras, Library, Probe, Ran, System, User};
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

/// How long anybody may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The real machine's probe.
#[derive(Debug)]
pub struct Real;

impl System {
    /// This machine, for the user who runs this or who called `sudo`.
    pub fn real() -> Self {
        // SAFETY: these only read and cannot fail.
        let (uid, gid, as_root) = unsafe { (libc::getuid(), libc::getgid(), libc::geteuid() == 0) };
        let mut variables: BTreeMap<_, _> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let caller = variables.get("SUDO_UID").and_then(|uid| uid.parse().ok());
        let user = match caller.filter(|caller| as_root && *caller != 0).and_then(|caller| user_in(&passwd, caller)) {
            Some(user) => {
                // they are root's, or none
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

/// The user of that number in a file like `/etc/passwd`, with the main group alone.
fn user_in(passwd: &str, uid: u32) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, found) = (fields.next()?, fields.next()?, fields.next()?.parse::<u32>().ok()?);
        let (gid, _, home) = (fields.next()?.parse().ok()?, fields.next()?, fields.next()?);
        (found == uid).then(|| User { uid, gid, name: name.to_owned(), home: home.into(), groups: vec![gid] })
    })
}

fn session_groups() -> Vec<u32> {
    let mut groups = vec![0; 1024];
    // SAFETY: the kernel writes at most as many numbers as it is told that there is room for.
    let count = unsafe { libc::getgroups(1024, groups.as_mut_ptr()) };
    groups.truncate(usize::try_from(count).unwrap_or(0));
    groups
}

impl Probe for Real {
    fn run(&self, command: &[&str]) -> io::Result<Ran> {
        let mut child = child::command(command[0], &[Needs::Session])
            .args(&command[1..])
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // a pipe that is not read would hold the child, and one that a grandchild keeps would hold us
        let (stdout, stderr) = (listen(child.stdout.take()), listen(child.stderr.take()));
        let ok = child::wait(&mut child, PATIENCE)?.success();
        let said = |from: mpsc::Receiver<String>| from.recv_timeout(PATIENCE).unwrap_or_default();
        Ok(Ran { ok, stdout: said(stdout), stderr: said(stderr) })
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
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("it ended with {status}"))) }
    }

    fn cameras(&self) -> Cameras {
        camera::look_around()
    }

    fn holders(&self, node: &Path) -> Vec<Holder> {
        holders::all(node).unwrap_or_default()
    }

    fn may_write(&self, path: &Path) -> bool {
        let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
        // SAFETY: the path is a C string, alive during the call.
        unsafe { libc::access(path.as_ptr(), libc::W_OK) == 0 }
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: the struct is integers, of which zeroes are a value.
        let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
        // SAFETY: the path is a C string and the struct writable, both alive during the call.
        if unsafe { libc::statvfs(path.as_ptr(), &raw mut found) } < 0 {
            return Err(io::Error::last_os_error());
        }
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
        let connected = Client::connect_within(dir, PATIENCE);
        match connected.map(|mut client| client.call(&Request::Status)) {
            Ok(Ok(Response::Status(status))) => Ok(Some(*status)),
            Ok(Ok(_)) => Err(Failure::new(Kind::Internal, "the daemon answered something else than its status")),
            Ok(Err(failure)) | Err(ConnectError::Failed(failure)) => Err(failure),
            Err(ConnectError::NoDaemon) => Ok(None),
        }
    }
}

/// What comes through a pipe until its end, read by a thread of its own.
fn listen(pipe: Option<impl io::Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = tell.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1001:Ada,,,:/home/ada:/bin/zsh\nbroken\n";
        let ada = user_in(passwd, 1000).unwrap();
        assert_eq!((ada.name.as_str(), ada.gid, ada.home.as_path()), ("ada", 1001, Path::new("/home/ada")));
        assert_eq!(user_in(passwd, 7), None);
    }

    #[test]
    fn programs_are_heard_to_their_end() {
        let ran = Real.run(&["sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x; echo oh >&2; exit 3"]).unwrap();
        assert_eq!((ran.ok, ran.stdout.len(), ran.stderr.as_str()), (false, 200_000, "oh\n"));
        assert_eq!(Real.run(&["bgcam-no-such-program"]).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(Real.run(&["sleep", "60"]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_change_gets_its_input_and_tells_of_its_failure() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a/b.conf");
        let install = ["install", "-D", "-m", "644", "/dev/stdin", file.to_str().unwrap()].map(str::to_owned);
        Real.change(&install, "options x\n").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "options x\n");
        let error = Real.change(&["false".to_owned()], "").unwrap_err();
        assert!(error.to_string().contains("exit status: 1"), "{error}");
    }

    #[test]
    fn a_disk_has_room_or_is_not_there() {
        assert!(Real.free_bytes(Path::new("/")).unwrap() > 0);
        assert!(Real.free_bytes(Path::new("/no/such/folder")).is_err());
        assert!(!Real.may_write(Path::new("/no/such/folder")));
    }
}
