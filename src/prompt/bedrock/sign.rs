//! Signature version 4, by Amazon's own crate.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use reqwest::{
    Request, RequestBuilder,
    header::{HeaderName, HeaderValue},
};

use crate::prompt::PromptError;

/// The service's name in signatures, which is not that in its address.
const SERVICE: &str = "bedrock";

/// `request` with its signature.
pub(super) fn signed(
    request: RequestBuilder,
    keys: &Credentials,
    region: &str,
    time: SystemTime,
) -> Result<RequestBuilder, PromptError> {
    let (client, request) = request.build_split();
    let mut request = request.map_err(|error| internal(&error.without_url()))?;
    for (name, value) in signature(&request, keys, region, time)? {
        request.headers_mut().insert(name, value);
    }
    Ok(RequestBuilder::from_parts(client, request))
}

/// The headers that sign `request`.
fn signature(
    request: &Request,
    keys: &Credentials,
    region: &str,
    time: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, PromptError> {
    let identity = keys.clone().into();
    // The defaults encode the path twice, as all services but S3 want it.
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| internal(&error))?
        .into();
    let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    let signable =
        SignableRequest::new(request.method().as_str(), request.url().as_str(), headers, SignableBody::Bytes(body));
    let output = sign(signable.map_err(|error| internal(&error))?, &params).map_err(|error| internal(&error))?;
    let (instructions, _) = output.into_parts();
    instructions.headers().map(|(name, value)| header(name, value)).collect()
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), PromptError> {
    let name = HeaderName::try_from(name).map_err(|error| internal(&error))?;
    let mut value = HeaderValue::try_from(value).map_err(|error| internal(&error))?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn internal(error: &dyn std::error::Error) -> PromptError {
    PromptError::Internal(format!("cannot sign the request: {}", crate::error::chain(error)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

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

    /// Made by botocore 1.44.5 with the keys of Amazon's examples, see `vectors.py`.
    #[test]
    fn botocore_signs_the_same() {
        let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors.json")).unwrap();
        assert!(vectors.len() >= 6);
        for vector in vectors {
            let keys =
                Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", vector.token, None, "test");
            let request = reqwest::Client::builder().no_proxy();
            let _ = rustls::crypto::ring::default_provider().install_default();
            let request = request.build().unwrap().post(&vector.url).body(vector.body);
            let request = request.header("accept", "application/json").header("content-type", "application/json");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(vector.time);
            let request = signed(request, &keys, &vector.region, time).unwrap().build().unwrap();
            assert_eq!(request.headers()["authorization"], vector.authorization, "{}", vector.url);
        }
    }
}
