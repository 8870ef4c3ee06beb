//! What generated images have cost, by month: counted in a file when each is requested, and compared with the limit.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use time::UtcDateTime;

use super::{lock, state_file};
use crate::{
    error::{Failure, Kind, io_text},
    media::regular,
    prompt::{MonthlyCost, dollars},
};

/// The number of months that are kept.
const MAX_MONTHS: usize = 24;

/// Maximum size of the file, in bytes; a month has about a hundred.
const MAX_BYTES: u64 = 64 << 10;

/// Amounts are sums of rounded numbers, so equal ones may differ a little.
const TOLERANCE: f64 = 1e-9;

/// What the images of one month have cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Month {
    images: u32,
    #[serde(default)]
    unpriced: u32,
    total: f64,
}

/// The content of the file: months as `YYYY-MM` in UTC, as providers bill them.
type Months = BTreeMap<String, Month>;

/// The costs; cheap to clone. The file is read for every image, because people may edit it.
#[derive(Debug, Clone)]
pub(super) struct Costs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// The months when the file was last read or written.
    known: Mutex<Months>,
    /// Locked while the file is changed.
    change: Mutex<()>,
}

/// The price of nothing.
const FREE: Option<f64> = Some(0.0);

/// An image that was requested. It stays counted if the request is cancelled or lost: most providers bill it.
#[derive(Debug)]
pub(super) struct Charge {
    costs: Costs,
    price: Option<f64>,
    at: SystemTime,
}

impl Charge {
    /// Corrects the price to what the image has cost; nothing if the provider refused it.
    ///
    /// # Errors
    /// As for [`Costs::charge`].
    pub(super) fn settle(self, cost: Option<f64>) -> Result<(), Failure> {
        self.costs.replace(self.price, cost, self.at)
    }
}

impl Month {
    fn add(&mut self, price: Option<f64>) {
        self.images = self.images.saturating_add(1);
        match price {
            Some(price) => self.total += price,
            None => self.unpriced = self.unpriced.saturating_add(1),
        }
    }

    fn remove(&mut self, price: Option<f64>) {
        self.images = self.images.saturating_sub(1);
        match price {
            Some(price) => self.total = (self.total - price).max(0.0),
            None => self.unpriced = self.unpriced.saturating_sub(1),
        }
    }
}

impl Costs {
    /// The costs in the file at `path`. A file that cannot be read is reported when the next image is generated.
    pub(super) fn load(path: PathBuf) -> Self {
        let costs = Self(Arc::new(Inner { path, known: Mutex::default(), change: Mutex::default() }));
        if let Err(failure) = costs.read() {
            tracing::warn!(hint = failure.hint, "{failure}");
        }
        costs
    }

    /// The costs of the month of `now`, when the file was last read; `limit` is the configured one.
    pub(super) fn of_month(&self, now: SystemTime, limit: f64) -> MonthlyCost {
        let month = month(now);
        let Month { images, unpriced, total } = lock(&self.0.known).get(&month).copied().unwrap_or_default();
        MonthlyCost { month, images, unpriced, total, limit }
    }

    /// Checks that images for `price` dollars stay within `limit` dollars in the month of `now`. An unknown price does until
    /// the limit is reached, and a limit of 0 is none. Reads the file.
    ///
    /// # Errors
    /// If they do not, or the file cannot be read.
    pub(super) fn check(&self, price: Option<f64>, limit: f64, now: SystemTime) -> Result<(), Failure> {
        if limit <= 0.0 || price.is_some_and(|price| price <= 0.0) {
            return Ok(());
        }
        let month = month(now);
        let total = self.read()?.get(&month).copied().unwrap_or_default().total;
        let is_within = price.map_or(total < limit, |price| total + price <= limit + TOLERANCE);
        if is_within {
            return Ok(());
        }
        let [total, limit] = [total, limit].map(dollars);
        let what = match price.map(dollars) {
            Some(price) => format!("this costs {price}, which would exceed prompt.monthly_limit = {limit}"),
            None => format!("the price of this is unknown, and prompt.monthly_limit = {limit} is reached"),
        };
        let text = format!("{what}: {total} spent so far in {month}");
        let hint = "raise prompt.monthly_limit in the settings file, or use the painter: `bgcam set-prompt --provider builtin`";
        Err(Failure::new(Kind::Denied, text).hint(hint))
    }

    /// Counts an image that is requested at `now`, unless it is free. Writes the file.
    ///
    /// # Errors
    /// If the file cannot be read or written; it then has the old content.
    pub(super) fn charge(&self, price: Option<f64>, now: SystemTime) -> Result<Charge, Failure> {
        self.replace(FREE, price, now)?;
        Ok(Charge { costs: self.clone(), price, at: now })
    }

    /// Replaces the price of an image in the month of `at`.
    fn replace(&self, old: Option<f64>, new: Option<f64>, at: SystemTime) -> Result<(), Failure> {
        let is_free = |price: Option<f64>| price.is_some_and(|price| price <= 0.0);
        if old == new || is_free(old) && is_free(new) {
            return Ok(());
        }
        let _change = lock(&self.0.change);
        let mut months = self.read()?;
        let entry = months.entry(month(at)).or_default();
        if !is_free(old) {
            entry.remove(old);
        }
        if !is_free(new) {
            entry.add(new);
        }
        while months.len() > MAX_MONTHS {
            months.pop_first();
        }
        state_file::save(&months, &self.0.path)
            .map_err(|error| self.failure("write", &io_text(&error)).hint("the image is kept, but not counted"))?;
        *lock(&self.0.known) = months;
        Ok(())
    }

    fn read(&self) -> Result<Months, Failure> {
        let months = match regular::read(&self.0.path, MAX_BYTES) {
            Err(error) if error.kind() == Kind::NotFound && state_file::is_absent(&self.0.path) => Months::default(),
            Err(error) => return Err(self.failure("read", &error.to_string())),
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| self.damaged(&error.to_string()))?,
        };
        if months.values().any(|month| !(month.total.is_finite() && month.total >= 0.0)) {
            return Err(self.damaged("a total is not an amount"));
        }
        months.clone_into(&mut lock(&self.0.known));
        Ok(months)
    }

    fn damaged(&self, why: &str) -> Failure {
        self.failure("read", why).hint("correct it, or remove it to count from zero")
    }

    fn failure(&self, what: &str, why: &str) -> Failure {
        Failure::new(Kind::Io, format!("cannot {what} the costs in {}: {why}", self.0.path.display()))
    }
}

/// The month in UTC as `YYYY-MM`.
fn month(at: SystemTime) -> String {
    let date = UtcDateTime::from(at);
    format!("{:04}-{:02}", date.year(), u8::from(date.month()))
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    const NOVEMBER: u64 = 1_795_500_000; // 2026-11-24

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn december() -> SystemTime {
        at(NOVEMBER + 10 * 86_400)
    }

    #[test]
    fn costs_are_recorded_by_month_and_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/costs.json");
        let costs = Costs::load(path.clone());
        for cost in [Some(0.04), Some(0.0336), None, Some(0.0)] {
            costs.charge(cost, at(NOVEMBER)).unwrap();
        }
        costs.charge(Some(0.02), december()).unwrap();
        let expected = MonthlyCost { month: "2026-11".to_owned(), images: 3, unpriced: 1, total: 0.0736, limit: 5.0 };
        for costs in [costs, Costs::load(path)] {
            let found = costs.of_month(at(NOVEMBER), 5.0);
            assert!((found.total - expected.total).abs() < TOLERANCE);
            assert_eq!(MonthlyCost { total: expected.total, ..found }, expected);
            assert_eq!(
                (costs.of_month(december(), 0.0).images, &*costs.of_month(december(), 0.0).month),
                (1, "2026-12")
            );
        }
    }

    #[test]
    fn a_price_above_the_limit_is_refused_and_an_unknown_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let costs = Costs::load(dir.path().join("costs.json"));
        costs.charge(Some(0.06), at(NOVEMBER)).unwrap();
        for (price, limit, now) in [
            (Some(0.04), 0.10, at(NOVEMBER)),
            (Some(9.99), 0.0, at(NOVEMBER)),
            (None, 0.07, at(NOVEMBER)),
            (Some(0.0), 0.01, at(NOVEMBER)),
            (Some(0.10), 0.10, december()),
        ] {
            costs.check(price, limit, now).unwrap();
        }
        let failure = costs.check(Some(0.05), 0.10, at(NOVEMBER)).unwrap_err();
        for part in ["costs $0.05", "prompt.monthly_limit = $0.10", "$0.06 spent so far in 2026-11"] {
            assert!(failure.message.contains(part), "{failure}");
        }
        assert!(failure.kind == Kind::Denied && failure.hint.is_some());
        let failure = costs.check(None, 0.06, at(NOVEMBER)).unwrap_err();
        assert!(failure.message.contains("unknown, and prompt.monthly_limit = $0.06 is reached"), "{failure}");
    }

    #[test]
    fn a_damaged_file_is_reported_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("costs.json");
        for text in ["{", r#"{"2026-11": {"images": 1, "total": -5}}"#, r#"{"2026-11": 7}"#] {
            fs::write(&path, text).unwrap();
            let costs = Costs::load(path.clone());
            let charged = costs.charge(Some(0.04), at(NOVEMBER)).map(drop);
            for failure in [costs.check(Some(0.04), 5.0, at(NOVEMBER)), charged] {
                assert!(failure.unwrap_err().message.contains("costs.json"), "{text}");
            }
            costs.check(Some(0.04), 0.0, at(NOVEMBER)).unwrap(); // without a limit, it does not matter
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::remove_file(&path).unwrap();
        let costs = Costs::load(path);
        costs.charge(Some(0.04), at(NOVEMBER)).unwrap();
    }

    #[test]
    fn a_charge_is_corrected_in_its_own_month() {
        let dir = tempfile::tempdir().unwrap();
        let costs = Costs::load(dir.path().join("costs.json"));
        let month = |costs: &Costs| {
            let MonthlyCost { images, unpriced, total, .. } = costs.of_month(at(NOVEMBER), 0.0);
            (images, unpriced, (total * 1e6).round() / 1e6)
        };
        let charges = [Some(0.04), None, Some(0.03), Some(0.0)].map(|price| costs.charge(price, at(NOVEMBER)).unwrap());
        assert_eq!(month(&costs), (3, 1, 0.07));
        let [dear, unknown, refused, free] = charges;
        dear.settle(Some(0.05)).unwrap();
        unknown.settle(Some(0.02)).unwrap();
        assert_eq!(month(&costs), (3, 0, 0.1));
        refused.settle(FREE).unwrap();
        free.settle(None).unwrap();
        assert_eq!(month(&costs), (3, 1, 0.07));
        drop(costs.charge(Some(0.01), at(NOVEMBER)).unwrap()); // cancelled
        assert_eq!(month(&costs), (4, 1, 0.08));
    }

    #[test]
    fn old_months_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let costs = Costs::load(dir.path().join("costs.json"));
        for number in 0..30 {
            costs.charge(Some(0.01), at(NOVEMBER + number * 31 * 86_400)).unwrap();
        }
        let months = costs.read().unwrap();
        assert_eq!(months.len(), MAX_MONTHS);
        assert!(!months.contains_key("2026-11"));
    }
}
