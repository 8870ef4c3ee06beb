//! How a request carries the API key.

use reqwest::{
    RequestBuilder,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use secrecy::ExposeSecret;

use super::Http;

/// The header that carries the API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyHeader {
    /// `Authorization: Bearer KEY`
    #[default]
    Bearer,
    /// `Authorization: Key KEY`
    AuthorizationKey,
    /// A header of its own, in lower case.
    Named(&'static str),
}

impl Http {
    /// Sets the header that [`with_key`](Self::with_key) uses.
    pub(in crate::prompt) fn with_key_in(self, key_header: KeyHeader) -> Self {
        Self { key_header, ..self }
    }

    /// Adds the key, if there is one, in the header of this server.
    pub(in crate::prompt) fn with_key(&self, request: RequestBuilder) -> RequestBuilder {
        match self.key_header {
            KeyHeader::Bearer => self.with_bearer_key(request),
            KeyHeader::Named(name) => self.with_key_header(request, HeaderName::from_static(name)),
            KeyHeader::AuthorizationKey => {
                let value = |key: &str| HeaderValue::from_str(&format!("Key {key}"));
                match self.key.as_ref().map(|key| value(key.expose_secret())) {
                    Some(Ok(mut value)) => {
                        value.set_sensitive(true);
                        request.header(AUTHORIZATION, value)
                    }
                    _ => request, // keys were checked to fit into a header
                }
            }
        }
    }
}
