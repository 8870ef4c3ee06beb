//! The names of the providers, generated from the registry.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! define_names {
    (
        { $($(#[$free_doc:meta])* $free_module:ident $Free:ident $free_title:literal,)* }
        { $($(#[$doc:meta])* $module:ident $Variant:ident $title:literal,)* }
    ) => {
        /// The name of a provider.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Name {
            $($(#[$free_doc])* $Free,)*
            $($(#[$doc])* $Variant,)*
        }

        impl Name {
            /// All names, in the order in which they are listed.
            pub const ALL: &[Self] = &[$(Self::$Free,)* $(Self::$Variant,)*];

            /// The name as users write it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Free => stringify!($free_module),)*
                    $(Self::$Variant => stringify!($module),)*
                }
            }

            /// The name for people, such as `Black Forest Labs`.
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$Free => $free_title,)*
                    $(Self::$Variant => $title,)*
                }
            }
        }
    };
}

registry!(define_names);

impl Name {
    /// `one of builtin, openai, ...`, for error messages.
    pub(super) fn expected() -> String {
        let names: Vec<_> = Self::ALL.iter().map(|name| name.as_str()).collect();
        format!("one of {}", names.join(", "))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not the name of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName(pub String);

impl FromStr for Name {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.iter().copied().find(|name| name.as_str() == text);
        found.ok_or_else(|| UnknownName(text.to_owned()))
    }
}
