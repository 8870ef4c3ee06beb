//! Responses of image servers: statuses, headers, bodies and redirects through the whole HTTP client.
//!
//! An input is the first letter of a provider, then replies with [`NEXT`] between them: `STATUS HEADER\nBODY`.
#![no_main]

use std::{cell::RefCell, collections::VecDeque, fs, io, net::TcpListener, path::PathBuf, rc::Rc, time::Duration};

use bgcam::{
    error::Failure,
    prompt::{self, Name, PromptRequest, Provider, Recipe, catalogue, settings::PromptSettings},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// The byte between replies.
const NEXT: u8 = 0x1e;

/// No message may contain this.
const CANARY: &str = "sk-canary";

/// The maximum length of a message in bytes.
const MAX_MESSAGE_LEN: usize = 2000;

type Replies = Rc<RefCell<VecDeque<Vec<u8>>>>;

struct Bench {
    listener: TcpListener,
    providers: Vec<(Box<dyn Provider>, Recipe)>,
}

impl Bench {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let settings = settings(&format!("http://{}", listener.local_addr().unwrap()));
        let names = [
            "openai",
            "bedrock",
            "gateway",
            "sdwebui",
            "comfyui",
            "stability",
            "gemini",
            "openrouter",
            "fal",
            "bfl",
            "xai",
        ];
        let open = |name| {
            let provider = catalogue::open(name, &settings).unwrap();
            let request = PromptRequest { text: "beach".to_owned(), ..PromptRequest::default() };
            let recipe = prompt::recipe(&request, &*provider, &settings, (64, 48)).unwrap();
            (provider, recipe)
        };
        Self { listener, providers: names.map(open).into() }
    }
}

fn settings(url: &str) -> PromptSettings {
    let folder = std::env::temp_dir().join(format!("bgcam-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| -> String {
        let path: PathBuf = folder.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (key, workflow) = (file("key", CANARY), file("workflow.json", r#"{"1":{"inputs":{"text":"%prompt%"}}}"#));
    let mut settings = PromptSettings::default();
    for (place, key_env, key_file) in [
        (&mut settings.openai.base_url, &mut settings.openai.key_env, &mut settings.openai.key_file),
        (&mut settings.bedrock.endpoint, &mut settings.bedrock.key_env, &mut settings.bedrock.key_file),
        (&mut settings.gateway.url, &mut settings.gateway.key_env, &mut settings.gateway.key_file),
        (&mut settings.stability.base_url, &mut settings.stability.key_env, &mut settings.stability.key_file),
        (&mut settings.sdwebui.url, &mut settings.sdwebui.key_env, &mut settings.sdwebui.key_file),
        (&mut settings.gemini.base_url, &mut settings.gemini.key_env, &mut settings.gemini.key_file),
        (&mut settings.openrouter.base_url, &mut settings.openrouter.key_env, &mut settings.openrouter.key_file),
        (&mut settings.fal.base_url, &mut settings.fal.key_env, &mut settings.fal.key_file),
        (&mut settings.bfl.base_url, &mut settings.bfl.key_env, &mut settings.bfl.key_file),
        (&mut settings.xai.base_url, &mut settings.xai.key_env, &mut settings.xai.key_file),
    ] {
        url.clone_into(place);
        key_env.clear();
        key.clone_into(key_file);
    }
    url.clone_into(&mut settings.comfyui.url);
    settings.comfyui.workflow = workflow;
    settings
}

/// Answers one request with the next reply. Cancel and progress requests use up none, since their timing varies.
async fn answer(stream: TcpStream, replies: Replies) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while stream.read_line(&mut head).await? > 2 {
        let line = head.lines().last().unwrap_or_default().to_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap_or(0);
        }
    }
    tokio::io::copy(&mut (&mut stream).take(length), &mut tokio::io::sink()).await?;
    let path = head.split(' ').nth(1).unwrap_or_default();
    let stops =
        ["/queue", "/interrupt", "/sdapi/v1/interrupt", "/sdapi/v1/progress"].iter().any(|it| path.starts_with(it));
    let reply = if stops { None } else { replies.borrow_mut().pop_front() }.unwrap_or_default();
    let at = reply.iter().position(|byte| *byte == b'\n').unwrap_or(reply.len());
    let line = String::from_utf8_lossy(&reply[..at]).into_owned();
    let (status, header) = line.split_at_checked(3).unwrap_or(("404", ""));
    let status = status.parse::<u16>().map_or(200, |status| status.clamp(200, 599));
    let header: String = header.trim().chars().filter(|letter| (' '..'\x7f').contains(letter)).collect();
    let body = reply.get(at + 1..).unwrap_or_default();
    let mut text = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for name in ["Location", "Retry-After", "x-amzn-errortype"] {
        text.push_str(&format!("{name}: {header}\r\n"));
    }
    stream.write_all(text.as_bytes()).await?;
    stream.write_all(b"\r\n").await?;
    stream.write_all(body).await?;
    stream.shutdown().await
}

async fn ask(bench: &Bench, provider: &dyn Provider, recipe: &Recipe, replies: Replies) {
    let listener = tokio::net::TcpListener::from_std(bench.listener.try_clone().unwrap()).unwrap();
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(answer(stream, Rc::clone(&replies)));
        }
    });
    // The clock jumps to the next timer whenever every task waits: small steps keep it from reaching the time-outs at
    // once.
    tokio::task::spawn_local(async {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    match provider.generate(recipe, &|_| {}).await {
        Ok(image) => assert!(!image.bytes.is_empty() && image.cost.is_none_or(f64::is_finite)),
        Err(error) => {
            let has_key = provider.name() != Name::ComfyUi;
            let texts = [error.to_string(), bgcam::error::chain(&error)];
            let debug = format!("{error:?}");
            let failure = Failure::from(error);
            for shown in texts.into_iter().chain([failure.message, failure.hint.unwrap_or_default()]) {
                assert!(
                    shown.len() <= MAX_MESSAGE_LEN,
                    "{} bytes: {}",
                    shown.len(),
                    shown.chars().take(200).collect::<String>()
                );
                assert!(!shown.contains(char::is_control), "{shown:?}");
                assert!(!(has_key && shown.contains(CANARY)), "{shown:?}");
            }
            assert!(!(has_key && debug.contains(CANARY)), "{debug}");
        }
    }
}

thread_local! {
    static BENCH: Bench = Bench::new();
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((letter, replies)) = bytes.split_first() else { return };
    let replies: Replies = Rc::new(RefCell::new(replies.split(|byte| *byte == NEXT).map(<[u8]>::to_vec).collect()));
    BENCH.with(|bench| {
        let (provider, recipe) = &bench.providers[usize::from(*letter) % bench.providers.len()];
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, ask(bench, &**provider, recipe, replies));
    });
});
