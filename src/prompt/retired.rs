//! Models that providers have retired or will retire, and their successors, as known in November 2026.

use std::time::{Duration, SystemTime};

use time::UtcDateTime;

use super::Name;

/// How early users are told that a model will end.
const NOTICE: Duration = Duration::from_secs(120 * 24 * 60 * 60);

/// The end of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retirement {
    provider: Name,
    model: &'static str,
    /// The last day, as `YYYY-MM-DD`; `None` if the date is unknown, or if the provider redirects to the successor.
    end: Option<&'static str>,
    /// The model to use instead.
    pub(super) successor: &'static str,
}

const fn ended(provider: Name, model: &'static str, end: &'static str, successor: &'static str) -> Retirement {
    Retirement { provider, model, end: Some(end), successor }
}

const fn replaced(provider: Name, model: &'static str, successor: &'static str) -> Retirement {
    Retirement { provider, model, end: None, successor }
}

const STABLE_IMAGE_CORE: &str = "stability.stable-image-core-v1:1";

const RETIREMENTS: [Retirement; 28] = [
    ended(Name::OpenAi, "dall-e-2", "2026-05-12", "gpt-image-2.5-flare"),
    ended(Name::OpenAi, "dall-e-3", "2026-05-12", "gpt-image-2.5-flare"),
    ended(Name::OpenAi, "gpt-image-1", "2026-10-23", "gpt-image-2.5-flare"),
    ended(Name::OpenAi, "gpt-image-1-mini", "2026-12-01", "gpt-image-2.6-flare"),
    ended(Name::OpenAi, "gpt-image-1.5", "2026-12-01", "gpt-image-2.6-flare"),
    ended(Name::OpenAi, "gpt-image-1.5-2025-12-16", "2026-12-01", "gpt-image-2.6-flare"),
    ended(Name::OpenAi, "chatgpt-image-latest", "2026-12-01", "gpt-image-2.6-flare"),
    ended(Name::Bedrock, "stability.stable-diffusion-xl-v0", "2025-05-20", STABLE_IMAGE_CORE),
    ended(Name::Bedrock, "stability.stable-diffusion-xl-v1", "2025-05-20", STABLE_IMAGE_CORE),
    ended(Name::Bedrock, "amazon.titan-image-generator-v2:0", "2026-06-30", STABLE_IMAGE_CORE),
    ended(Name::Bedrock, "amazon.nova-canvas-v1:0", "2026-09-30", STABLE_IMAGE_CORE),
    replaced(Name::Bedrock, "amazon.titan-image-generator-v1", STABLE_IMAGE_CORE),
    replaced(Name::Bedrock, "stability.stable-image-core-v1:0", STABLE_IMAGE_CORE),
    replaced(Name::Bedrock, "stability.stable-image-ultra-v1:0", "stability.stable-image-ultra-v1:1"),
    replaced(Name::Bedrock, "stability.sd3-large-v1:0", "stability.sd3-5-large-v1:0"),
    ended(Name::Gemini, "gemini-3-pro-image-preview", "2026-06-25", "gemini-3-pro-image"),
    ended(Name::Gemini, "gemini-3.1-flash-image-preview", "2026-06-25", "gemini-3.1-flash-image"),
    ended(Name::Gemini, "gemini-2.5-flash-image", "2027-03-15", "gemini-3.1-flash-lite-image"),
    ended(Name::Vertex, "gemini-2.5-flash-image", "2027-03-15", "gemini-3.1-flash-lite-image"),
    ended(Name::Vertex, "gemini-3.1-flash-image", "2027-05-28", "gemini-3.1-flash-lite-image"),
    ended(Name::Vertex, "gemini-3-pro-image", "2027-05-28", "gemini-3.1-flash-lite-image"),
    // Requests are redirected to the successor, at its price.
    replaced(Name::Xai, "grok-imagine-image-quality", "grok-imagine-image-2.0"),
    replaced(Name::Xai, "grok-imagine-image-pro", "grok-imagine-image-2.0"),
    replaced(Name::Gemini, "gemini-2.0-flash-preview-image-generation", "gemini-3.1-flash-lite-image"),
    replaced(Name::Gemini, "gemini-2.5-flash-image-preview", "gemini-3.1-flash-lite-image"),
    replaced(Name::Stability, "sd3-large", "sd3.5-large"),
    replaced(Name::Stability, "sd3-large-turbo", "sd3.5-large-turbo"),
    replaced(Name::Stability, "sd3-medium", "sd3.5-medium"),
];

/// The end of `model`, if it is known. On Bedrock, the id may start with a region such as `us.`.
pub(super) fn find(provider: Name, model: &str) -> Option<&'static Retirement> {
    let is_same = |known: &str| {
        known == model || model.split_once('.').is_some_and(|(region, rest)| region.len() == 2 && rest == known)
    };
    RETIREMENTS.iter().find(|retirement| retirement.provider == provider && is_same(retirement.model))
}

impl Retirement {
    /// The last day, if it has passed at `now`.
    pub(super) fn passed(&self, now: SystemTime) -> Option<&'static str> {
        self.end.filter(|end| *end < &*date(now))
    }

    /// The last day, if it comes within the next 120 days from `now`.
    pub(super) fn upcoming(&self, now: SystemTime) -> Option<&'static str> {
        self.end.filter(|end| *end >= &*date(now) && *end < &*date(now + NOTICE))
    }
}

/// The date in UTC as `YYYY-MM-DD`.
pub(super) fn date(at: SystemTime) -> String {
    UtcDateTime::from(at).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(date: &str) -> SystemTime {
        let [year, month, day] = date.split('-').map(|part| part.parse().unwrap()).collect::<Vec<i32>>()[..] else {
            panic!("{date}")
        };
        let month = time::Month::try_from(month as u8).unwrap();
        time::Date::from_calendar_date(year, month, day as u8).unwrap().midnight().as_utc().into()
    }

    #[test]
    fn a_model_is_retired_only_after_its_last_day() {
        let retirement = find(Name::OpenAi, "gpt-image-1.5").unwrap();
        assert_eq!(
            (retirement.passed(day("2026-12-01")), retirement.passed(day("2026-12-02"))),
            (None, retirement.end)
        );
        assert_eq!(retirement.upcoming(day("2026-11-27")), Some("2026-12-01"));
        assert_eq!((retirement.upcoming(day("2026-07-01")), retirement.upcoming(day("2026-12-02"))), (None, None));
    }

    #[test]
    fn models_are_found_by_provider_and_region() {
        assert_eq!(find(Name::Bedrock, "us.amazon.nova-canvas-v1:0").unwrap().successor, STABLE_IMAGE_CORE);
        assert_eq!(find(Name::Gemini, "gpt-image-1"), None);
        assert_eq!(find(Name::OpenAi, "gpt-image-2.5-flare"), None);
        for known in &RETIREMENTS {
            assert!(known.end.is_none_or(|end| date(day(end)) == end), "{known:?}");
            let next = find(known.provider, known.successor);
            assert_eq!(next, None, "the successor of {} is retired too", known.model);
        }
    }
}
