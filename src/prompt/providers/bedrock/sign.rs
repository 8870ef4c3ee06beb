//! AWS Signature Version 4, computed with the official AWS crate.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningInstructions, SigningSettings, sign},
    sign::v4,
};
use reqwest::{
    Request, RequestBuilder,
    header::{HeaderName, HeaderValue},
};

use crate::prompt::PromptError;

/// The service's name in signatures, which differs from the one in its host name.
const SERVICE: &str = "bedrock";

/// Signs `request`.
///
/// # Errors
/// If the request is invalid or can't be signed.
pub(super) fn signed(
    request: RequestBuilder,
    credentials: &Credentials,
    region: &str,
    time: SystemTime,
) -> Result<RequestBuilder, PromptError> {
    let (client, request) = request.build_split();
    let mut request = request.map_err(|error| internal(&error.without_url()))?;
    for (name, value) in signature(&request, credentials, region, time)? {
        request.headers_mut().insert(name, value);
    }
    Ok(RequestBuilder::from_parts(client, request))
}

/// The headers that sign `request`.
fn signature(
    request: &Request,
    credentials: &Credentials,
    region: &str,
    time: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, PromptError> {
    let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    let signable =
        SignableRequest::new(request.method().as_str(), request.url().as_str(), headers, SignableBody::Bytes(body));
    let headers = sign_for(SERVICE, signable.map_err(|error| internal(&error))?, credentials, region, time)?;
    headers.headers().map(|(name, value)| header(name, value)).collect()
}

fn sign_for(
    service: &str,
    request: SignableRequest<'_>,
    credentials: &Credentials,
    region: &str,
    time: SystemTime,
) -> Result<SigningInstructions, PromptError> {
    let identity = credentials.clone().into();
    // The defaults encode the path twice, as every service except S3 expects.
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| internal(&error))?
        .into();
    Ok(sign(request, &params).map_err(|error| internal(&error))?.into_parts().0)
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), PromptError> {
    let name = HeaderName::try_from(name).map_err(|error| internal(&error))?;
    let mut value = HeaderValue::try_from(value).map_err(|error| internal(&error))?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn internal(error: &(dyn std::error::Error + 'static)) -> PromptError {
    PromptError::Internal(format!("cannot sign the request: {}", crate::error::chain(error)))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf, process::Command, time::Duration};

    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        url: String,
        region: String,
        time: u64,
        token: Option<String>,
        body: String,
        authorization: String,
    }

    /// Signatures from botocore 1.44.5 with the credentials of Amazon's examples, see `vectors.py`.
    #[test]
    fn signatures_match_botocore() {
        let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors.json")).unwrap();
        assert!(vectors.len() >= 6);
        for vector in vectors {
            let credentials =
                Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", vector.token, None, "test");
            let request = reqwest::Client::builder().no_proxy();
            let _ = rustls::crypto::ring::default_provider().install_default();
            let request = request.build().unwrap().post(&vector.url).body(vector.body);
            let request = request.header("accept", "application/json").header("content-type", "application/json");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(vector.time);
            let request = signed(request, &credentials, &vector.region, time).unwrap().build().unwrap();
            assert_eq!(request.headers()["authorization"], vector.authorization, "{}", vector.url);
        }
    }
    /// The source directory of the AWS crate, which contains its signing test suite.
    ///
    /// Limited to this platform's packages, since others may not have been downloaded.
    fn suite() -> PathBuf {
        let cargo = |args: &[&str]| {
            let output =
                Command::new(env!("CARGO")).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
            assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        let version = String::from_utf8(cargo(&["-vV"])).unwrap();
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("the host in `cargo -vV`");
        let metadata = ["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform", host];
        let metadata: Value = serde_json::from_slice(&cargo(&metadata)).expect("JSON from cargo metadata");
        let mut packages = metadata["packages"].as_array().unwrap().iter();
        let ours = packages.find(|package| package["name"] == "aws-sigv4").unwrap();
        PathBuf::from(ours["manifest_path"].as_str().unwrap()).with_file_name("aws-signing-test-suite").join("v4")
    }

    /// A request of the suite: its first line, its headers, its body.
    fn parts(text: &str) -> (&str, &str, Vec<(&str, &str)>, &str) {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let (line, headers) = head.split_once('\n').unwrap();
        let (method, rest) = line.split_once(' ').unwrap();
        let headers = headers.lines().filter_map(|line| line.split_once(':')).collect();
        (method, rest.rsplit_once(' ').unwrap().0, headers, body)
    }

    #[test]
    fn signatures_match_amazons_test_suite() {
        let mut signed = 0;
        let mut left = Vec::new();
        for case in fs::read_dir(suite()).unwrap() {
            let folder = case.unwrap().path();
            let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap().replace("\r\n", "\n");
            let name = folder.file_name().unwrap().display().to_string();
            if !folder.join("context.json").exists() {
                continue; // two cases of the crate itself, with credentials known only to its tests
            }
            let context: Value = serde_json::from_str(&read("context.json")).unwrap();
            let request = read("request.txt");
            let (method, path, headers, body) = parts(&request);
            // Cases that do not occur with Bedrock: unnormalized or unencoded paths, a signed body, an unsigned token,
            // multi-line headers.
            if context["normalize"] == false
                || context["sign_body"] == true
                || context["omit_session_token"] == true
                || ["multiline", "space", "get-utf8"].iter().any(|kind| name.contains(kind))
            {
                left.push(name);
                continue;
            }
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let given = &context["credentials"];
            let token = given["token"].as_str().map(str::to_owned);
            let credentials =
                Credentials::new(text(&given["access_key_id"]), text(&given["secret_access_key"]), token, None, "test");
            // every case has the same time: 2015-08-30T12:36:00Z
            assert_eq!(context["timestamp"], "2015-08-30T12:36:00Z");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
            let url = format!("https://example.amazonaws.com{path}");
            let request =
                SignableRequest::new(method, &url, headers.iter().copied(), SignableBody::Bytes(body.as_bytes()));
            let headers =
                sign_for("service", request.unwrap(), &credentials, &text(&context["region"]), time).expect(&name);
            let authorization = headers.headers().find(|(name, _)| *name == "authorization").unwrap().1;
            let expected = read("header-signature.txt");
            assert!(authorization.ends_with(&format!("Signature={}", expected.trim())), "{name}: {authorization}");
            signed += 1;
        }
        assert!(signed >= 20, "{signed} signed, these left out: {left:?}");
    }
}
