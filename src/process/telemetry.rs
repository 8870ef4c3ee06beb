//! Disables the telemetry of ONNX Runtime.

use std::env;

/// The variable that ONNX Runtime 1.29 and later read when they start.
const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// Ensures that ONNX Runtime sends nothing and stores no identifier.
///
/// Microsoft's builds report the program's path, the system and a device id over the network, and keep unsent reports in
/// `~/.cache/Microsoft`. The API can disable this only after the first report, so the environment must.
///
/// # Safety
/// No other thread may run yet.
pub unsafe fn disable() {
    // SAFETY: nothing reads the environment concurrently, because the caller guarantees that there is one thread.
    unsafe { env::set_var(VARIABLE, "1") };
}
