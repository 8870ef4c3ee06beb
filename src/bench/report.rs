//! The results of a benchmark: a table, a file, and a comparison with earlier results.

use std::{fmt, fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Failure, Kind, chain},
    mask::Quality,
};

/// The results.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Frame size, such as `1280x720`.
    pub size: String,
    /// Number of measured frames.
    pub frames: u32,
    /// Description of the background.
    pub background: String,
    /// Name of the model.
    pub model: String,
    /// Quality of the mask.
    pub quality: Quality,
    /// CPU time of one inference of the model that runs on every frame, in milliseconds: the unit L, which makes results
    /// comparable between machines. 0 in results saved by earlier versions.
    #[serde(default)]
    pub inference_ms: f64,
    /// CPU time per frame of the model that runs on every frame, in milliseconds; part of the stage `mask`.
    pub model_ms: f64,
    /// CPU time per frame without the models and MJPEG decoding, in milliseconds.
    pub without_models_ms: f64,
    /// The stages in pipeline order, then their sum.
    pub stages: Vec<Stage>,
    /// Resident memory at the end, in MiB.
    pub rss_mib: f64,
    /// Load average over one minute at the start. A high load distorts wall times, and CPU times a little.
    pub load: f64,
}

/// The cost of one stage.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stage {
    /// The name.
    pub name: String,
    /// Mean CPU time per frame, in milliseconds.
    pub cpu_ms: f64,
    /// Median wall time per frame, in milliseconds.
    pub p50_ms: f64,
    /// 95th percentile of the wall time, in milliseconds.
    pub p95_ms: f64,
    /// 99th percentile of the wall time, in milliseconds.
    pub p99_ms: f64,
    /// Rust allocations per frame, on all threads.
    pub allocations: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frames, size, background, model, quality, .. } = self;
        writeln!(f, "{frames} frames of {size}, background: {background}, model {model}, quality {quality}")?;
        writeln!(f, "{:13} {:>8} {:>8} {:>8} {:>8} {:>8}", "stage", "CPU ms", "p50 ms", "p95 ms", "p99 ms", "allocs")?;
        for stage in &self.stages {
            let Stage { name, cpu_ms, p50_ms, p95_ms, p99_ms, allocations } = stage;
            writeln!(f, "{name:13} {cpu_ms:8.2} {p50_ms:8.2} {p95_ms:8.2} {p99_ms:8.2} {allocations:8.1}")?;
        }
        writeln!(
            f,
            "CPU ms per frame: per-frame model {:.2}, everything except models and mjpeg {:.2}",
            self.model_ms, self.without_models_ms
        )?;
        if let (true, Some(all)) = (self.inference_ms > 0.0, self.stages.last()) {
            let in_inferences = |ms: f64| ms / self.inference_ms;
            writeln!(
                f,
                "one inference of the per-frame model takes {:.2} ms (L): all but mjpeg {:.1} L, without models {:.1} L",
                self.inference_ms,
                in_inferences(all.cpu_ms),
                in_inferences(self.without_models_ms)
            )?;
        }
        writeln!(f, "memory {:.0} MiB, load average at start {:.1}", self.rss_mib, self.load)
    }
}

impl Report {
    /// Writes the report to `path`, for a later comparison.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Failure::new(Kind::Io, format!("cannot save the results to {}: {}", path.display(), chain(error)))
        };
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(&error))?;
        fs::write(path, text + "\n").map_err(|error| failed(&error))
    }

    /// Reads a saved report.
    ///
    /// # Errors
    /// If the file cannot be read or is not a report.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let failed =
            |text: String| Failure::new(Kind::BadInput, text).hint("create one with `bgcam bench --save FILE`");
        let text = fs::read_to_string(path)
            .map_err(|error| failed(format!("cannot read results from {}: {}", path.display(), chain(&error))))?;
        serde_json::from_str(&text)
            .map_err(|_| failed(format!("{} is not a file saved by bgcam bench", path.display())))
    }

    /// A table of CPU times before and now, in milliseconds, with their ratio.
    pub fn compared_with(&self, before: &Self) -> String {
        use std::fmt::Write;

        let mut text = String::new();
        let workload = |report: &Self| (report.size.clone(), report.background.clone(), report.quality);
        if workload(self) != workload(before) {
            let Self { size, background, quality, .. } = before;
            let _ = writeln!(
                text,
                "different workload: the saved results are for {size}, background: {background}, quality {quality}"
            );
        }
        let _ = writeln!(text, "{:13} {:>8} {:>8} {:>8}", "CPU ms", "before", "now", "ratio");
        let mut line = |name: &str, before: f64, now: f64| {
            let _ = writeln!(text, "{name:13} {before:8.2} {now:8.2} {:7.2}x", now / before.max(1e-6));
        };
        for now in &self.stages {
            if let Some(before) = before.stages.iter().find(|before| before.name == now.name) {
                line(&now.name, before.cpu_ms, now.cpu_ms);
            }
        }
        line("except models", before.without_models_ms, self.without_models_ms);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(inference_ms: f64) -> Report {
        let stage = |name: &str, cpu_ms: f64| Stage {
            name: name.to_owned(),
            cpu_ms,
            p50_ms: cpu_ms,
            p95_ms: cpu_ms,
            p99_ms: cpu_ms,
            allocations: 0.0,
        };
        Report {
            size: "1280x720".to_owned(),
            frames: 300,
            background: "a test image".to_owned(),
            model: "landscape".to_owned(),
            quality: Quality::Eco,
            inference_ms,
            model_ms: 2.0,
            without_models_ms: 5.0,
            stages: vec![stage("mask", 6.0), stage("all but mjpeg", 7.0)],
            rss_mib: 80.0,
            load: 0.1,
        }
    }

    #[test]
    fn costs_are_also_given_in_inferences() {
        let text = report(2.0).to_string();
        assert!(text.contains("takes 2.00 ms (L): all but mjpeg 3.5 L, without models 2.5 L"), "{text}");
    }

    #[test]
    fn results_saved_without_the_unit_are_readable() {
        let mut saved = serde_json::to_value(report(2.0)).unwrap();
        saved.as_object_mut().unwrap().remove("inference_ms");
        let before: Report = serde_json::from_value(saved).unwrap();
        assert!(!before.to_string().contains("(L)"));
        assert!(report(2.0).compared_with(&before).contains("1.00x"));
    }
}
