//! Amazon's own chain of credentials: environment, profiles with SSO and roles, web identity, containers, EC2.

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_credential_types::{Credentials, provider::ProvideCredentials};

use crate::{
    error::chain,
    prompt::{PromptError, key::clean},
};

/// The first keys that the chain finds for `profile`.
pub(super) async fn keys(profile: &str) -> Result<Credentials, PromptError> {
    let sources = DefaultCredentialsChain::builder().profile_name(profile).build().await;
    sources.provide_credentials().await.map_err(|error| PromptError::Profile {
        profile: profile.to_owned(),
        what: format!("has no keys that Amazon's chain of credentials finds: {}", clean(&chain(&error), [])),
    })
}
