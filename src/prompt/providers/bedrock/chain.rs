//! The default AWS credential provider chain: environment, profiles with SSO and roles, web identity, containers, EC2.

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_credential_types::{Credentials, provider::ProvideCredentials};

use crate::{
    error::chain,
    prompt::{PromptError, text::clean},
};

/// The first credentials that the chain finds for `profile`.
///
/// # Errors
/// If it finds none.
pub(super) async fn load(profile: &str) -> Result<Credentials, PromptError> {
    let sources = DefaultCredentialsChain::builder().profile_name(profile).build().await;
    sources.provide_credentials().await.map_err(|error| PromptError::Profile {
        profile: profile.to_owned(),
        what: format!("has no credentials: {}", clean(&chain(&error), [])),
    })
}
