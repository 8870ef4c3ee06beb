//! Bedrock requests, responses and errors compared with botocore, Amazon's own client.
//!
//! `scripts/provider-servers` installs it; the tests are skipped without it.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/http.rs"]
mod http;

use std::{fs, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use bgcam::prompt::{self, GeneratedImage, PromptError, PromptRequest, catalogue, settings::PromptSettings};
use http::{Reply, Request, Server};
use serde_json::{Value, json};

/// A model of each family, and an inference profile.
const MODELS: [&str; 5] = [
    "stability.stable-image-core-v1:1",
    "stability.sd3-5-large-v1:0",
    "stability.stable-diffusion-xl-v1",
    "amazon.nova-canvas-v1:0",
    "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/stability.sd3-5-large-v1:0",
];

/// Sends `BODY` to `MODEL` with botocore, which validates both, and prints the response.
const SCRIPT: &str = r#"
import botocore.session, json, os
client = botocore.session.get_session().create_client(
    "bedrock-runtime", region_name="us-west-2", endpoint_url=os.environ["URL"],
    aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret")
answer = client.invoke_model(modelId=os.environ["MODEL"], contentType="application/json", accept="application/json",
                             body=os.environ["BODY"])
print(json.dumps({"type": answer["contentType"], "body": json.loads(answer["body"].read())}))
"#;

/// The errors of InvokeModel in botocore, with their status.
const ERRORS: &str = r#"
import botocore.session, json
client = botocore.session.get_session().create_client("bedrock-runtime", region_name="us-west-2",
    aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret")
shapes = client.meta.service_model.operation_model("InvokeModel").error_shapes
print(json.dumps([[shape.name, shape.metadata["error"]["httpStatusCode"]] for shape in shapes]))
"#;

/// The output of a script with botocore; `None` if botocore is not installed.
async fn python(script: &str, variables: &[(&str, &str)]) -> Option<Value> {
    let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/provider-servers/venv/bin/python");
    if !python.exists() {
        eprintln!("skipped: no {} (scripts/provider-servers installs it)", python.display());
        return None;
    }
    let mut command = tokio::process::Command::new(python);
    let output = command.args(["-c", script]).envs(variables.iter().copied()).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Settings with keys from a file, for a server at `url`.
fn settings(folder: &std::path::Path, url: &str) -> PromptSettings {
    let keys = folder.join("keys.json");
    fs::write(&keys, r#"{"Version": 1, "AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "secret"}"#).unwrap();
    let config = format!("[profile shapes]\ncredential_process = cat \"{}\"\n", keys.display());
    fs::write(folder.join("config"), config).unwrap();
    // SAFETY: nextest runs each test in its own process, and both tests set it to files with the same content.
    unsafe { std::env::set_var("AWS_CONFIG_FILE", folder.join("config")) };
    let mut settings = PromptSettings::default();
    settings.bedrock.endpoint = url.to_owned();
    settings.bedrock.key_env = String::new();
    settings.bedrock.profile = "shapes".to_owned();
    settings
}

async fn generate(settings: &PromptSettings, model: &str) -> Result<GeneratedImage, PromptError> {
    let provider = catalogue::open("bedrock", settings).unwrap();
    let request =
        PromptRequest { text: "a beach".to_owned(), model: Some(model.to_owned()), ..PromptRequest::default() };
    let recipe = prompt::recipe(&request, &*provider, settings, (1280, 720)).unwrap();
    provider.generate(&recipe, &|_| {}).await
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

/// The signed headers, and the signature's scope.
fn scope(request: &Request) -> (String, String) {
    let authorization = header(request, "authorization");
    let part = |name: &str| authorization.split(name).nth(1).unwrap_or_default().split(',').next().unwrap_or_default();
    let scope = part("Credential=").split('/').skip(2).collect::<Vec<_>>().join("/");
    (part("SignedHeaders=").to_owned(), scope)
}

#[tokio::test]
async fn requests_match_botocore() {
    let mut image = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(64, 36).write_to(&mut image, image::ImageFormat::Png).unwrap();
    let image = BASE64_STANDARD.encode(image.into_inner());
    let whole = json!({
        "images": [image], "seeds": [7], "finish_reasons": [null], "result": "success",
        "artifacts": [{"seed": 7, "base64": image, "finishReason": "SUCCESS"}],
    });
    let reply = Reply::Full(200, "Content-Type: application/json\r\n", whole.to_string().into_bytes());
    let server = Server::always(reply).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), &server.url);
    for model in MODELS {
        generate(&settings, model).await.unwrap();
        let ours = server.requests().pop().unwrap();
        let body = String::from_utf8(ours.body.clone()).unwrap();
        let variables = [("URL", server.url.as_str()), ("MODEL", model), ("BODY", &body)];
        let Some(read) = python(SCRIPT, &variables).await else { return };
        assert_eq!(read["body"], whole);
        let theirs = server.requests().pop().unwrap();
        assert_eq!(ours.line, theirs.line);
        assert_eq!(ours.json(), theirs.json());
        for name in ["content-type", "accept"] {
            assert_eq!(header(&ours, name), header(&theirs, name), "{name} of {model}");
        }
        assert_eq!(scope(&ours).1, scope(&theirs).1);
        for signed in ["host", "x-amz-date", "content-type", "accept"] {
            assert!(scope(&ours).0.split(';').any(|name| name == signed), "{signed} is not signed: {:?}", scope(&ours));
        }
    }
}

#[tokio::test]
async fn every_botocore_error_is_understood() {
    let Some(Value::Array(known)) = python(ERRORS, &[]).await else { return };
    assert!(known.len() >= 9, "{known:?}");
    let folder = tempfile::tempdir().unwrap();
    let mut asked = tokio::task::JoinSet::new();
    for error in known {
        let (name, status) = (error[0].as_str().unwrap().to_owned(), error[1].as_u64().unwrap() as u16);
        // Bedrock sends the name in a header; retries are immediate.
        let headers: &'static str =
            format!("x-amzn-errortype: {name}:http://internal.amazon.com/\r\nRetry-After: 0\r\n").leak();
        let server = Server::always(Reply::Full(status, headers, br#"{"message": "as it is"}"#.to_vec())).await;
        let settings = settings(folder.path(), &server.url);
        asked.spawn(async move { (name, generate(&settings, MODELS[0]).await.unwrap_err()) });
    }
    for (name, error) in asked.join_all().await {
        let understood = match name.as_str() {
            "AccessDeniedException" => matches!(error, PromptError::KeyRejected { status: 403, .. }),
            "ValidationException" => matches!(error, PromptError::BadRequest { status: 400, .. }),
            "ServiceQuotaExceededException" => matches!(error, PromptError::QuotaExceeded { .. }),
            "ResourceNotFoundException" => matches!(error, PromptError::ModelNotFound { .. }),
            "ThrottlingException" | "ModelNotReadyException" => matches!(error, PromptError::Throttled { .. }),
            "ModelTimeoutException"
            | "InternalServerException"
            | "ServiceUnavailableException"
            | "ModelErrorException" => {
                matches!(error, PromptError::Server { .. })
            }
            _ => panic!("{name} is new in botocore: {error}"),
        };
        assert!(understood, "{name}: {error:?}");
        assert!(error.to_string().ends_with(": as it is"), "{name}: {error}");
    }
}

/// Containers get their keys from a local server.
#[cfg(feature = "aws-chain")]
#[tokio::test]
async fn the_aws_chain_finds_container_credentials() {
    let keys = json!({
        "AccessKeyId": "AKIDCONTAINER", "SecretAccessKey": "secret", "Token": "token",
        "Expiration": "2099-01-01T00:00:00Z",
    });
    let server = Server::start(move |_, request| {
        let answer = if request.line.starts_with("GET ") { keys.clone() } else { json!({}) };
        Reply::Full(200, "Content-Type: application/json\r\n", answer.to_string().into_bytes())
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), &server.url);
    settings.bedrock.profile = String::new();
    // SAFETY: nextest runs each test in its own process.
    unsafe {
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"] {
            std::env::remove_var(name);
        }
        std::env::set_var("AWS_SHARED_CREDENTIALS_FILE", folder.path().join("none"));
        std::env::set_var("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/keys", server.url));
    }
    generate(&settings, MODELS[0]).await.unwrap_err(); // `{}` contains no image
    let requests = server.requests();
    assert_eq!(requests[0].line, "GET /keys");
    assert!(header(&requests[1], "authorization").contains("Credential=AKIDCONTAINER/"), "{requests:?}");
    assert_eq!(header(&requests[1], "x-amz-security-token"), "token");
}
