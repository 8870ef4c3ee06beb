//! What generated images cost: the price of a request, and the total of a month.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The price of a request, without generating anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The provider's name.
    pub provider: String,
    /// The provider's model id; empty if the provider has no models.
    pub model: String,
    /// The number of images that would be generated; those that the gallery has are free.
    pub images: u32,
    /// Their price in US dollars; `None` if it is unknown.
    pub price: Option<f64>,
    /// What has been spent before.
    pub month: MonthlyCost,
}

/// What the images of a month have cost. Images that are known to be free are not counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MonthlyCost {
    /// The month in UTC, as `YYYY-MM`.
    pub month: String,
    /// The number of images.
    pub images: u32,
    /// The number of images among them whose price is unknown.
    pub unpriced: u32,
    /// The sum of the known prices in US dollars.
    pub total: f64,
    /// The limit in US dollars (`prompt.monthly_limit`); 0 for none.
    pub limit: f64,
}

impl fmt::Display for MonthlyCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { month, images, unpriced, total, limit } = self;
        let noun = if *images == 1 { "image" } else { "images" };
        write!(f, "{} for {images} {noun} in {month}", dollars(*total))?;
        if *unpriced > 0 {
            write!(f, ", {unpriced} of them of unknown price")?;
        }
        if *limit > 0.0 { write!(f, ", limit {}", dollars(*limit)) } else { Ok(()) }
    }
}

/// An amount in US dollars: `$4.98`, and `$0.0044` for a few cents.
pub fn dollars(amount: f64) -> String {
    let text = if amount.abs() >= 0.1 { format!("{amount:.2}") } else { format!("{amount:.4}") };
    let cents = text.find('.').map_or(text.len(), |point| point + 3);
    let digits = text.trim_end_matches('0').len().max(cents);
    format!("${}", &text[..digits])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_cents_and_small_ones_more() {
        for (amount, text) in [
            (0.0, "$0.00"),
            (0.0044, "$0.0044"),
            (0.03, "$0.03"),
            (0.0336, "$0.0336"),
            (0.1, "$0.10"),
            (1234.5, "$1234.50"),
        ] {
            assert_eq!(dollars(amount), text);
        }
    }

    #[test]
    fn a_month_is_one_line() {
        let month = MonthlyCost { month: "2026-11".to_owned(), images: 1, total: 0.0336, ..MonthlyCost::default() };
        assert_eq!(month.to_string(), "$0.0336 for 1 image in 2026-11");
        let month = MonthlyCost { images: 3, unpriced: 2, limit: 5.0, ..month };
        assert_eq!(month.to_string(), "$0.0336 for 3 images in 2026-11, 2 of them of unknown price, limit $5.00");
    }
}
