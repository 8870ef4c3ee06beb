//! SHA-256 sums of files.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::error::{Failure, Kind};

/// The bytes that are read at a time.
pub(super) const BLOCK: usize = 1 << 20;

/// Checks that two SHA-256 sums are equal; `place` is the file of the first.
///
/// # Errors
/// If they are not.
pub(in crate::generator) fn compare_sums(place: &str, found: &str, expected: &str) -> Result<(), Failure> {
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let text = format!("the SHA-256 sum of {place} is {found}, expected {expected}");
    Err(Failure::new(Kind::BadInput, text).hint("check the file and the sum on the page of the model"))
}

/// The SHA-256 sum of a file in hexadecimal.
///
/// # Errors
/// If it can't be read.
pub(in crate::generator) fn sum_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut sum, mut block) = (Sha256::new(), vec![0; BLOCK]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hex(&sum.finalize())),
            count => sum.update(&block[..count]),
        }
    }
}

/// The bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
