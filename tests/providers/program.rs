//! The provider that runs a program.

use super::*;

fn program(script: &str) -> PromptSettings {
    let mut settings = PromptSettings::default();
    settings.command.program = "sh".to_owned();
    settings.command.args = ["-c", script].map(str::to_owned).to_vec();
    settings
}

fn image_file(folder: &Path) -> PathBuf {
    let path = folder.join("image.png");
    fs::write(&path, png()).unwrap();
    path
}

#[tokio::test]
async fn a_program_returns_an_image_on_stdout_or_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = image_file(folder.path());
    let image = file.display();
    let received = folder.path().join("received");
    for script in [
        format!("cat > {}; cat {image}", received.display()),
        format!("printenv BGCAM_PROMPT > {}; echo busy; cp {image} \"$BGCAM_OUTPUT\"", received.display()),
        format!("cat > {}; sleep 1000 & cat {image}", received.display()), // its background processes end with it
    ] {
        let image = generate("command", &program(&script)).await.unwrap();
        assert_eq!(image.bytes, png(), "{script}");
        assert!(fs::read_to_string(&received).unwrap().starts_with("beach, "), "{script}");
    }
    let script = format!("[ $BGCAM_WIDTH$BGCAM_HEIGHT$BGCAM_SEED = 12807207 ] && cat {image}");
    generate("command", &program(&script)).await.unwrap();
}

#[tokio::test]
async fn program_errors_are_quoted() {
    for (script, expected) in [
        ("echo no such model >&2; exit 3", "exit status: 3: no such model"),
        ("exit 0", "stdout and the file BGCAM_OUTPUT are empty"),
        ("echo '<svg/>'", "an SVG drawing"),
        ("head -c 26000000 /dev/zero", "more than 25 MB"),
        ("ln -s /dev/zero \"$BGCAM_OUTPUT\"", "not a regular file"),
        ("kill -9 $$", "signal: 9"),
    ] {
        let error = generate("command", &program(script)).await.unwrap_err();
        let failure = Failure::from(error);
        assert!(failure.message.contains(expected), "{script}: {failure}");
    }
    let mut settings = program("");
    settings.command.program = "bgcam-no-such-program".to_owned();
    let failure = Failure::from(generate("command", &settings).await.unwrap_err());
    assert_eq!(failure.hint.as_deref(), Some("check that it is installed: `command -v bgcam-no-such-program`"));
}

#[tokio::test]
async fn cancelling_kills_a_program_and_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("alive");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    // The grandchild keeps the pipe open until it ends.
    let settings = program(&format!("(echo up; sleep 1000) > {} & wait", fifo.display()));
    let (provider, recipe) = recipe("command", &settings);
    let mut pipe = tokio::net::unix::pipe::OpenOptions::new().open_receiver(&fifo).unwrap();
    let mut greeting = [0; 3];
    tokio::select! {
        image = provider.generate(&recipe, &|_| {}) => panic!("{image:?}"),
        read = read_exact(&mut pipe, &mut greeting) => read.unwrap(),
    }
    let end = tokio::time::timeout(Duration::from_secs(20), read_exact(&mut pipe, &mut [0])).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

async fn read_exact(pipe: &mut tokio::net::unix::pipe::Receiver, into: &mut [u8]) -> io::Result<()> {
    tokio::io::AsyncReadExt::read_exact(pipe, into).await.map(drop)
}
