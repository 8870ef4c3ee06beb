//! Human-readable durations: `2 s`, `1.5 s`, `250 ms`, `2 min 30 s`.

use std::{fmt, time::Duration};

/// Displays a duration with at most two units and only significant digits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HumanDuration(pub(crate) Duration);

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = (self.0.as_secs_f64() * 1000.0).round() as u64;
        match millis {
            0..1000 => write!(f, "{millis} ms"),
            1000..9950 => {
                let tenths = (millis + 50) / 100;
                let (seconds, tenths) = (tenths / 10, tenths % 10);
                if tenths == 0 { write!(f, "{seconds} s") } else { write!(f, "{seconds}.{tenths} s") }
            }
            9950..119_500 => write!(f, "{} s", (millis + 500) / 1000),
            119_500..7_170_000 => pair(f, (millis + 500) / 1000, "min", "s"),
            _ => pair(f, (millis + 30_000) / 60_000, "h", "min"),
        }
    }
}

/// Writes `count` small units, with sixty of them in a large one.
fn pair(f: &mut fmt::Formatter<'_>, count: u64, large: &str, small: &str) -> fmt::Result {
    write!(f, "{} {large}", count / 60)?;
    if count.is_multiple_of(60) { Ok(()) } else { write!(f, " {} {small}", count % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_few_digits_and_a_unit() {
        for (millis, expected) in [
            (0.0, "0 ms"),
            (0.4, "0 ms"),
            (250.0, "250 ms"),
            (999.4, "999 ms"),
            (999.6, "1 s"),
            (2_000.534_784, "2 s"),
            (1500.0, "1.5 s"),
            (9949.0, "9.9 s"),
            (9951.0, "10 s"),
            (15_000.0, "15 s"),
            (90_000.0, "90 s"),
            (119_600.0, "2 min"),
            (150_000.0, "2 min 30 s"),
            (7_169_999.0, "119 min 30 s"),
            (7_199_000.0, "2 h"),
            (5_400_000.0 * 2.0, "3 h"),
            (9_000_000.0, "2 h 30 min"),
        ] {
            assert_eq!(HumanDuration(Duration::from_secs_f64(millis / 1000.0)).to_string(), expected, "{millis} ms");
        }
    }
}
