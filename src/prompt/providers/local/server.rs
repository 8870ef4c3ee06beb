//! The server as a child process: started at low priority, kept while it is used, stopped when idle or with bgcam.

use std::{
    env, io,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use rustix::{
    fs::{Mode, OFlags},
    process::{Signal, set_parent_process_death_signal, setpriority_process},
};
use tokio::{
    process::{Child, ChildStderr, Command},
    sync::{Mutex, MutexGuard, mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{NAME, listener};
use crate::{
    process::scope,
    prompt::{
        OnProgress, Progress, PromptError,
        program::{Group, read_tail},
        text::clean,
    },
};

/// How long the server may take to load its weights, up to 10 GB from a hard disk.
const START_LIMIT: Duration = Duration::from_secs(300);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// An argument that is replaced by the path of the weights, for models that need another option than `--model`.
const WEIGHTS: &str = "%weights%";

/// The lowest priority: a call needs the processor more than an image does.
const NICE: i32 = 19;

/// The status of a server that bgcam stopped.
const STOPPED: &str = "stopped while idle";

/// The server of the last request. Held while it generates, so that it is not stopped meanwhile.
static RUNNING: Mutex<Option<Server>> = Mutex::const_new(None);

/// A file that the server uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// Device, inode, length and time of the last change: another file may have taken its name.
    pub(super) version: (u64, u64, u64, i64),
}

/// How to start the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) program: Input,
    pub(super) weights: Input,
    /// Further arguments.
    pub(super) args: Vec<String>,
    /// Environment variables that it gets besides the usual ones.
    pub(super) env: Vec<String>,
    /// It stops after this time without a request.
    pub(super) idle: Duration,
}

/// A running server. Dropping it stops the process.
#[derive(Debug)]
struct Server {
    launch: Launch,
    port: u16,
    /// Each message is a request that ended; closing it stops the process.
    used: mpsc::Sender<()>,
    /// `None` while the process runs.
    ended: watch::Receiver<Option<Ended>>,
}

/// How a process ended.
#[derive(Debug, Clone)]
struct Ended {
    status: String,
    /// The end of its error output.
    last_words: String,
}

/// A server in use. If it is dropped before it is [finished](Self::finish), the server is stopped: it can't be asked to
/// stop generating, and would keep the next request waiting.
#[derive(Debug)]
pub(super) struct InUse {
    running: MutexGuard<'static, Option<Server>>,
    port: u16,
    is_finished: bool,
}

/// The server that `launch` starts, ready for a request: the running one, or a new one.
///
/// # Errors
/// If it can't be started, or does not become ready.
pub(super) async fn get(launch: &Launch, progress: OnProgress<'_>) -> Result<InUse, PromptError> {
    progress(Progress::Working);
    let mut running = RUNNING.lock().await;
    let port = match &*running {
        Some(server) if server.launch == *launch && server.ended.borrow().is_none() => server.port,
        _ => {
            *running = None;
            let in_scope = tokio::task::spawn_blocking(scope::is_available).await.unwrap_or(false);
            let server = Server::start(launch, in_scope)?;
            server.wait_until_ready().await?;
            running.insert(server).port
        }
    };
    Ok(InUse { running, port, is_finished: false })
}

/// Stops the server, once it is not in use, unless `launch` would start the same.
pub(super) async fn stop_unless(launch: Option<&Launch>) {
    let mut running = RUNNING.lock().await;
    if running.as_ref().is_some_and(|server| Some(&server.launch) != launch) {
        *running = None;
    }
}

impl InUse {
    /// The port on 127.0.0.1.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Ends the use: the server has nothing left to do.
    pub(super) fn finish(mut self) {
        self.is_finished = true;
    }

    /// Checks that the server still runs, after a lost connection.
    ///
    /// # Errors
    /// If it has ended: its last words.
    pub(super) async fn check(&self) -> Result<(), PromptError> {
        let Some(server) = &*self.running else { return Ok(()) };
        // its end may be noticed only after that of the connection
        let mut ended = server.ended.clone();
        match tokio::time::timeout(Duration::from_secs(1), ended.wait_for(Option::is_some)).await {
            Ok(Ok(ended)) => ended.as_ref().map_or(Ok(()), |ended| Err(server.failed(ended))),
            _ => Ok(()),
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if !self.is_finished {
            *self.running = None;
        }
        if let Some(server) = &*self.running {
            // full if its idle time restarts anyway, closed if it has ended
            let _ = server.used.try_send(());
        }
    }
}

impl Server {
    fn start(launch: &Launch, in_scope: bool) -> Result<Self, PromptError> {
        let port = free_port().map_err(|source| launch.cannot_run(source))?;
        let mut child = launch.command(port, in_scope).spawn().map_err(|source| launch.cannot_run(source))?;
        let stderr = child.stderr.take();
        let (used, requests) = mpsc::channel(1);
        let (end, ended) = watch::channel(None);
        tracing::info!("started {} with {}", launch.program.path.display(), launch.weights.path.display());
        tokio::spawn(keep(child, stderr, requests, end, launch.idle));
        Ok(Self { launch: launch.clone(), port, used, ended })
    }

    /// Waits until the server has loaded its weights and listens.
    async fn wait_until_ready(&self) -> Result<(), PromptError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(ended) = &*self.ended.borrow() {
                return Err(self.failed(ended));
            }
            if listener::is_own(self.port).map_err(|source| self.launch.cannot_run(source))? {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(PromptError::TimedOut { provider: NAME, limit: START_LIMIT });
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    fn failed(&self, ended: &Ended) -> PromptError {
        PromptError::ProgramFailed {
            program: self.launch.program.path.display().to_string(),
            status: ended.status.clone(),
            detail: clean(&ended.last_words, []),
        }
    }
}

impl Launch {
    fn cannot_run(&self, source: io::Error) -> PromptError {
        PromptError::Program { program: self.program.path.display().to_string(), source }
    }

    fn command(&self, port: u16, in_scope: bool) -> Command {
        let mut command = Command::from(scope::command(&self.program.path, in_scope));
        for name in &self.env {
            command.envs(env::var_os(name).map(|value| (name, value)));
        }
        let port = port.to_string();
        command.args(["--listen-ip", "127.0.0.1", "--listen-port", &port]);
        if !self.args.iter().any(|arg| arg == WEIGHTS) {
            command.arg("--model").arg(&self.weights.path);
        }
        for arg in &self.args {
            if arg == WEIGHTS {
                command.arg(&self.weights.path)
            } else {
                command.arg(arg)
            };
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        // SAFETY: between fork and exec, only system calls are made; none of them allocates or takes a lock.
        unsafe { command.pre_exec(prepare_child) };
        command
    }
}

/// Lowers the priority of this process, makes it the first to be killed when memory runs out, and ends it with its
/// parent, even if that is killed.
fn prepare_child() -> io::Result<()> {
    setpriority_process(None, NICE)?;
    // without /proc, its memory decides
    if let Ok(file) = rustix::fs::open(c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::io::write(&file, b"1000");
    }
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Keeps the process until it ends, is idle, or its [`Server`] or the runtime is dropped.
async fn keep(
    mut child: Child,
    stderr: Option<ChildStderr>,
    mut requests: mpsc::Receiver<()>,
    end: watch::Sender<Option<Ended>>,
    idle: Duration,
) {
    let group = Group::of(&child);
    let last_words = async {
        match stderr {
            Some(pipe) => read_tail(pipe).await,
            None => String::new(),
        }
    };
    let ended = async {
        let status = child.wait().await;
        // its children would keep the pipe open
        drop(group);
        status
    };
    let how = tokio::select! {
        (status, last_words) = async { tokio::join!(ended, last_words) } => {
            Ended { status: status.map_or_else(|error| error.to_string(), |status| status.to_string()), last_words }
        }
        () = until_idle(&mut requests, idle) => Ended { status: STOPPED.to_owned(), last_words: String::new() },
    };
    tracing::info!("the image generator has ended: {}", how.status);
    end.send_replace(Some(how));
}

/// Waits until no request has ended for `idle` while none is running, or the server is no longer needed.
async fn until_idle(requests: &mut mpsc::Receiver<()>, idle: Duration) {
    let mut deadline = Instant::now() + idle;
    loop {
        tokio::select! {
            request = requests.recv() => match request {
                Some(()) => deadline = Instant::now() + idle,
                None => return,
            },
            () = sleep_until(deadline) => match RUNNING.try_lock() {
                Ok(_) => return,
                Err(_) => deadline = Instant::now() + idle, // in use
            },
        }
    }
}

/// A port that is free now.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use super::*;

    /// Listens on the given port until it is killed.
    const LISTEN: &str = "exec python3 -c 'import socket, sys, time
s = socket.create_server((\"127.0.0.1\", int(sys.argv[sys.argv.index(\"--listen-port\") + 1])))
time.sleep(1000)' \"$@\"";

    fn launch(folder: &Path, script: &str, idle: Duration) -> Launch {
        let program = folder.join("server");
        let notes = format!("nice > {0}/nice; cat /proc/self/oom_score_adj > {0}/oom", folder.display());
        fs::write(&program, format!("#!/bin/sh\n{notes}\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let input = |path| Input { path, version: (0, 0, 0, 0) };
        let (program, weights) = (input(program), input(folder.join("model.gguf")));
        Launch { program, weights, args: Vec::new(), env: Vec::new(), idle }
    }

    fn ended(server: &InUse) -> watch::Receiver<Option<Ended>> {
        server.running.as_ref().unwrap().ended.clone()
    }

    #[tokio::test]
    async fn a_server_serves_several_requests_at_low_priority() {
        let folder = tempfile::tempdir().unwrap();
        let launch = launch(folder.path(), LISTEN, Duration::from_secs(1000));
        let first = get(&launch, &|_| ()).await.unwrap();
        let (port, mut first_ended) = (first.port(), ended(&first));
        first.finish();
        let second = get(&launch, &|_| ()).await.unwrap();
        assert_eq!(second.port(), port);
        second.finish();
        assert_eq!(fs::read_to_string(folder.path().join("nice")).unwrap(), "19\n");
        assert_eq!(fs::read_to_string(folder.path().join("oom")).unwrap(), "1000\n");
        stop_unless(Some(&launch)).await;
        assert!(first_ended.borrow().is_none());
        // other settings need another server, and so do other weights under the same name
        let weights = Input { version: (0, 0, 1, 0), ..launch.weights.clone() };
        let other = Launch { weights, ..launch };
        let server = get(&other, &|_| ()).await.unwrap();
        assert_ne!(server.port(), port);
        first_ended.wait_for(Option::is_some).await.unwrap();
        let mut end = ended(&server);
        server.finish();
        stop_unless(None).await;
        end.wait_for(Option::is_some).await.unwrap();
    }

    #[tokio::test]
    async fn a_cancelled_request_stops_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let launch = launch(folder.path(), LISTEN, Duration::from_secs(1000));
        let server = get(&launch, &|_| ()).await.unwrap();
        let mut end = ended(&server);
        drop(server);
        end.wait_for(Option::is_some).await.unwrap();
    }

    #[tokio::test]
    async fn an_idle_server_is_stopped_and_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let launch = launch(folder.path(), LISTEN, Duration::ZERO);
        let server = get(&launch, &|_| ()).await.unwrap();
        let mut end = ended(&server);
        assert!(end.borrow().is_none(), "in use");
        server.finish();
        assert_eq!(end.wait_for(Option::is_some).await.unwrap().as_ref().unwrap().status, STOPPED);
        assert!(ended(&get(&launch, &|_| ()).await.unwrap()).borrow().is_none());
    }

    #[tokio::test]
    async fn a_server_that_fails_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let failing = launch(folder.path(), "echo unknown model >&2; exit 3", Duration::ZERO);
        let error = get(&failing, &|_| ()).await.unwrap_err();
        assert!(error.to_string().ends_with("failed with exit status: 3: unknown model"), "{error}");
        let program = Input { path: folder.path().join("nothing"), ..failing.program.clone() };
        let missing = Launch { program, ..failing };
        assert!(matches!(get(&missing, &|_| ()).await, Err(PromptError::Program { .. })));
    }

    #[test]
    fn the_weights_may_need_another_option() {
        let words = |args: &[&str]| {
            let args = args.iter().map(|arg| (*arg).to_owned()).collect();
            let [program, weights] =
                ["sd-server", "/m.gguf"].map(|path| Input { path: path.into(), version: (0, 0, 0, 0) });
            let command = Launch { program, weights, args, env: Vec::new(), idle: Duration::ZERO }.command(7, false);
            let words = command.as_std().get_args().skip(3).map(|arg| arg.to_str().unwrap().to_owned());
            words.collect::<Vec<_>>()
        };
        assert_eq!(words(&["--vae", "x"]), ["7", "--model", "/m.gguf", "--vae", "x"]);
        assert_eq!(words(&["--diffusion-model", "%weights%"]), ["7", "--diffusion-model", "/m.gguf"]);
    }
}
