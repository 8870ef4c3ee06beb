//! The images in a response of the Images API and similar ones: as base64, or at a URL.

use std::{future::ready, pin::Pin};

use reqwest::{RequestBuilder, Url};
use serde_json::Value;

use super::{
    Http, Reply,
    address::{host, same_origin},
    optional::Pointer,
};
use crate::prompt::{
    GeneratedImage, OnProgress, PromptError,
    response::{bad_response, check_image, decode_image, items, non_blank},
};

/// The hosts that images may be downloaded from, besides the provider's own server.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::prompt) struct ImageHosts<'a> {
    /// Domains of the provider, with all their subdomains.
    pub(in crate::prompt) domains: &'a [&'a str],
    /// Hosts, with their port, that the user has listed.
    pub(in crate::prompt) listed: &'a [String],
}

impl ImageHosts<'_> {
    fn include(&self, url: &Url) -> bool {
        url.scheme() == "https" && (self.listed.contains(&host(url)) || is_below(url, self.domains))
    }
}

/// A request for one image.
#[derive(Debug)]
pub(in crate::prompt) struct ImageRequest<'a> {
    pub(in crate::prompt) url: Url,
    pub(in crate::prompt) model: &'a str,
    pub(in crate::prompt) body: Value,
    /// The fields of the body that the server may reject.
    pub(in crate::prompt) optional: &'a [Pointer],
    pub(in crate::prompt) hosts: ImageHosts<'a>,
}

/// A response that may have to be waited for.
pub(in crate::prompt) type ResponseFuture<'a> = Pin<Box<dyn Future<Output = Result<Value, PromptError>> + Send + 'a>>;

/// A response that contains the image, as most do.
pub(in crate::prompt) fn at_once<'a>(response: Value) -> ResponseFuture<'a> {
    Box::pin(ready(Ok(response)))
}

impl Http {
    /// Generates an image: sends the request as [`send_adaptive`](Self::send_adaptive) does, with the key, and reads the
    /// response as [`read_image`](Self::read_image) does.
    ///
    /// # Errors
    /// As both.
    pub(in crate::prompt) async fn generate_image<'a>(
        &self,
        request: ImageRequest<'a>,
        progress: OnProgress<'a>,
        receive: impl FnOnce(Value) -> ResponseFuture<'a>,
    ) -> Result<GeneratedImage, PromptError> {
        let ImageRequest { url, model, body, optional, hosts } = request;
        let make = |body: &Value| Ok(self.with_key(self.post_json(url.clone(), body)));
        let (reply, dropped) = self.send_adaptive(model, progress, body, optional, make).await?;
        let image = self.read_image(model, reply, hosts, progress, receive).await?;
        Ok(GeneratedImage { notes: self.dropped_field_notes(&dropped), ..image })
    }

    /// The first image of a response, which `receive` completes, or the response itself if it is an image. The image
    /// has the cost in `usage` and the seed, if the response contains them.
    ///
    /// # Errors
    /// If there is none: the server's message.
    pub(in crate::prompt) async fn read_image<'a>(
        &self,
        model: &str,
        reply: Reply,
        hosts: ImageHosts<'a>,
        progress: OnProgress<'a>,
        receive: impl FnOnce(Value) -> ResponseFuture<'a>,
    ) -> Result<GeneratedImage, PromptError> {
        if check_image(self.provider, &reply.body).is_ok() {
            return Ok(GeneratedImage::new(reply.body));
        }
        let response = receive(self.json(&reply.body)?).await?;
        let bytes = self.listed_image(&response, hosts, progress).await?;
        let bytes = bytes.ok_or_else(|| self.no_image_error(model, &response))?;
        let cost = response["usage"]["cost"].as_f64().filter(|cost| cost.is_finite() && *cost >= 0.0);
        Ok(GeneratedImage { cost, seed: response["seed"].as_u64(), ..GeneratedImage::new(bytes) })
    }

    /// The first image in the `data` or `images` of a response; `None` if there are none.
    ///
    /// # Errors
    /// If no image is valid: the error of the first.
    pub(in crate::prompt) async fn listed_image(
        &self,
        response: &Value,
        hosts: ImageHosts<'_>,
        progress: OnProgress<'_>,
    ) -> Result<Option<Vec<u8>>, PromptError> {
        let data = items(&response["data"]).iter().chain(items(&response["images"]));
        let candidates =
            data.flat_map(|datum| [(&datum["b64_json"], false), (&datum["url"], true), (datum, is_url(datum))]);
        let mut first_error = None;
        for (value, is_url) in candidates {
            let Some(text) = non_blank(value) else { continue };
            let is_url = is_url && !text.trim_start().starts_with("data:");
            let found =
                if is_url { self.download(text, hosts, progress).await } else { decode_image(self.provider, text) };
            match found {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(None), Err)
    }

    /// Downloads an image from a URL in a response, which must be on the same server or on one of `hosts`. Only the
    /// same server gets the key.
    ///
    /// # Errors
    /// If it is elsewhere, cannot be downloaded, or is not an image.
    pub(in crate::prompt) async fn download(
        &self,
        text: &str,
        hosts: ImageHosts<'_>,
        progress: OnProgress<'_>,
    ) -> Result<Vec<u8>, PromptError> {
        // A relative URL refers to the same server.
        let url = self.base().join(text).map_err(|_| bad_response(self.provider, "the image's URL is invalid"))?;
        let is_own = same_origin(self.base(), &url);
        if !is_own && !hosts.include(&url) {
            let host = self.clean(&host_or_scheme(&url));
            return Err(PromptError::ForeignImageHost { provider: self.provider, host });
        }
        let make = || -> Result<RequestBuilder, PromptError> {
            let request = self.get(url.clone());
            Ok(if is_own { self.with_key(request) } else { request })
        };
        let reply = self.send("", progress, make).await?;
        check_image(self.provider, &reply.body)?;
        Ok(reply.body)
    }

    /// The URL in `text` if the key may be sent there: to the same server, or encrypted to one of the provider's
    /// `domains`.
    ///
    /// # Errors
    /// If it may not.
    pub(in crate::prompt) fn trusted_url(&self, text: &str, domains: &[&str]) -> Result<Url, PromptError> {
        let url =
            self.base().join(text).map_err(|_| bad_response(self.provider, "the URL of the result is invalid"))?;
        if same_origin(self.base(), &url) || url.scheme() == "https" && is_below(&url, domains) {
            return Ok(url);
        }
        let host = self.clean(&host_or_scheme(&url));
        Err(bad_response(self.provider, format!("the result is on {host}, which is not the provider's server")))
    }
}

/// Whether the host is one of `domains` or below one of them, at the usual port.
pub(in crate::prompt) fn is_below(url: &Url, domains: &[&str]) -> bool {
    let host = url.host_str().unwrap_or_default();
    let matches = |domain: &&str| host.strip_suffix(*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    url.port().is_none() && domains.iter().any(matches)
}

/// Whether a string is a URL; otherwise it is the image in base64.
fn is_url(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains("://"))
}

fn host_or_scheme(url: &Url) -> String {
    if url.has_host() { host(url) } else { format!("{}:", url.scheme()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_come_only_from_the_providers_domains() {
        let listed = ["cdn.example:8443".to_owned()];
        let hosts = ImageHosts { domains: &["bfl.ai"], listed: &listed };
        for (url, expected) in [
            ("https://bfl.ai/a.png", true),
            ("https://delivery.eu.bfl.ai/a.png", true),
            ("https://cdn.example:8443/a.png", true),
            ("http://bfl.ai/a.png", false),
            ("https://bfl.ai:8443/a.png", false),
            ("https://evil-bfl.ai/a.png", false),
            ("https://bfl.ai.evil.example/a.png", false),
            ("https://bfl.ai@evil.example/a.png", false),
            ("https://cdn.example/a.png", false),
        ] {
            assert_eq!(hosts.include(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
