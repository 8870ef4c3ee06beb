//! The server as a child process: started at low priority, kept while it is used, stopped when idle or with bgcam.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use rustix::process::{Signal, set_parent_process_death_signal, setpriority_process};
use tokio::{
    process::{Child, ChildStderr, Command},
    sync::{Mutex, MutexGuard, mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{NAME, listener};
use crate::{
    process::child,
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

/// How to start the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) weights: PathBuf,
    /// Further arguments.
    pub(super) args: Vec<String>,
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

/// A server in use.
#[derive(Debug)]
pub(super) struct InUse(MutexGuard<'static, Option<Server>>, u16);

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
            let server = Server::start(launch)?;
            server.wait_until_ready().await?;
            running.insert(server).port
        }
    };
    Ok(InUse(running, port))
}

impl InUse {
    /// The port on 127.0.0.1.
    pub(super) fn port(&self) -> u16 {
        self.1
    }

    /// Checks that the server still runs, after a lost connection.
    ///
    /// # Errors
    /// If it has ended: its last words.
    pub(super) async fn check(&self) -> Result<(), PromptError> {
        let Some(server) = &*self.0 else { return Ok(()) };
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
        if let Some(server) = &*self.0 {
            // full if its idle time restarts anyway, closed if it has ended
            let _ = server.used.try_send(());
        }
    }
}

impl Server {
    fn start(launch: &Launch) -> Result<Self, PromptError> {
        let port = free_port().map_err(|source| launch.cannot_run(source))?;
        let mut child = launch.command(port).spawn().map_err(|source| launch.cannot_run(source))?;
        let stderr = child.stderr.take();
        let (used, requests) = mpsc::channel(1);
        let (end, ended) = watch::channel(None);
        tracing::info!("started {} with {}", launch.program.display(), launch.weights.display());
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
            program: self.launch.program.display().to_string(),
            status: ended.status.clone(),
            detail: clean(&ended.last_words, []),
        }
    }
}

impl Launch {
    fn cannot_run(&self, source: io::Error) -> PromptError {
        PromptError::Program { program: self.program.display().to_string(), source }
    }

    fn command(&self, port: u16) -> Command {
        let mut command = Command::from(child::command(&self.program, &[]));
        let port = port.to_string();
        command.args(["--listen-ip", "127.0.0.1", "--listen-port", &port]);
        if !self.args.iter().any(|arg| arg == WEIGHTS) {
            command.arg("--model").arg(&self.weights);
        }
        for arg in &self.args {
            if arg == WEIGHTS {
                command.arg(&self.weights)
            } else {
                command.arg(arg)
            };
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        // SAFETY: between fork and exec, only these two system calls are made; neither allocates nor takes a lock.
        unsafe { command.pre_exec(prepare_child) };
        command
    }
}

/// Lowers the priority of this process, and ends it with its parent, even if that is killed.
fn prepare_child() -> io::Result<()> {
    setpriority_process(None, NICE)?;
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
        fs::write(&program, format!("#!/bin/sh\nnice > {}/nice\n{script}\n", folder.display())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Launch { program, weights: folder.join("model.gguf"), args: Vec::new(), idle }
    }

    fn ended(server: &InUse) -> watch::Receiver<Option<Ended>> {
        server.0.as_ref().unwrap().ended.clone()
    }

    #[tokio::test]
    async fn a_server_serves_several_requests_at_low_priority() {
        let folder = tempfile::tempdir().unwrap();
        let launch = launch(folder.path(), LISTEN, Duration::from_secs(1000));
        let first = get(&launch, &|_| ()).await.unwrap();
        let (port, mut first_ended) = (first.port(), ended(&first));
        drop(first);
        assert_eq!(get(&launch, &|_| ()).await.unwrap().port(), port);
        assert_eq!(fs::read_to_string(folder.path().join("nice")).unwrap(), "19\n");
        // other settings need another server
        let other = Launch { args: vec!["--verbose".to_owned()], ..launch };
        assert_ne!(get(&other, &|_| ()).await.unwrap().port(), port);
        first_ended.wait_for(Option::is_some).await.unwrap();
    }

    #[tokio::test]
    async fn an_idle_server_is_stopped_and_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let launch = launch(folder.path(), LISTEN, Duration::ZERO);
        let server = get(&launch, &|_| ()).await.unwrap();
        let mut end = ended(&server);
        assert!(end.borrow().is_none(), "in use");
        drop(server);
        assert_eq!(end.wait_for(Option::is_some).await.unwrap().as_ref().unwrap().status, STOPPED);
        assert!(ended(&get(&launch, &|_| ()).await.unwrap()).borrow().is_none());
    }

    #[tokio::test]
    async fn a_server_that_fails_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let failing = launch(folder.path(), "echo unknown model >&2; exit 3", Duration::ZERO);
        let error = get(&failing, &|_| ()).await.unwrap_err();
        assert!(error.to_string().ends_with("failed with exit status: 3: unknown model"), "{error}");
        let missing = Launch { program: folder.path().join("nothing"), ..failing };
        assert!(matches!(get(&missing, &|_| ()).await, Err(PromptError::Program { .. })));
    }

    #[test]
    fn the_weights_may_need_another_option() {
        let words = |args: &[&str]| {
            let args = args.iter().map(|arg| (*arg).to_owned()).collect();
            let (program, weights) = (PathBuf::from("sd-server"), PathBuf::from("/m.gguf"));
            let command = Launch { program, weights, args, idle: Duration::ZERO }.command(7);
            let words = command.as_std().get_args().skip(3).map(|arg| arg.to_str().unwrap().to_owned());
            words.collect::<Vec<_>>()
        };
        assert_eq!(words(&["--vae", "x"]), ["7", "--model", "/m.gguf", "--vae", "x"]);
        assert_eq!(words(&["--diffusion-model", "%weights%"]), ["7", "--diffusion-model", "/m.gguf"]);
    }
}
