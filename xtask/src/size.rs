//! How large the composed file is, and how large it may be.

use std::{fs, io::Write, path::Path};

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder};

use crate::run::shown;

/// Bytes on disk. No platform sets this limit: each host compiles all of it before it serves, so it is not to grow unnoticed.
const MAX_BYTES: usize = 3_500_000;

/// Bytes as sent, compressed. These are what Cloudflare counts: 3 MB on its free plan, in which jco's code has to fit too.
const MAX_GZIPPED_BYTES: usize = 1_300_000;

/// Sizes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Bytes on disk.
    pub bytes: usize,
    /// Bytes after gzip at its usual level (6).
    pub gzipped: usize,
}

impl Size {
    /// Measure a file.
    pub fn of(file: &Path) -> Result<Self> {
        let content = fs::read(file).with_context(|| format!("cannot read {}", shown(file)))?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&content)?;
        Ok(Self { bytes: content.len(), gzipped: encoder.finish()?.len() })
    }

    /// Refuse a composed file that has grown too large.
    pub fn check(self) -> Result<()> {
        if self.bytes > MAX_BYTES || self.gzipped > MAX_GZIPPED_BYTES {
            bail!(
                "the composed file is {self}; the limit is {}",
                Self { bytes: MAX_BYTES, gzipped: MAX_GZIPPED_BYTES }
            );
        }
        Ok(())
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} kB, {} kB gzipped", self.bytes.div_ceil(1000), self.gzipped.div_ceil(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_at_the_limit_passes_and_one_byte_more_does_not() {
        let check = |bytes, gzipped, passes| assert_eq!(Size { bytes, gzipped }.check().is_ok(), passes);
        check(MAX_BYTES, MAX_GZIPPED_BYTES, true);
        check(MAX_BYTES + 1, MAX_GZIPPED_BYTES, false);
        check(MAX_BYTES, MAX_GZIPPED_BYTES + 1, false);
    }

    #[test]
    fn both_sizes_are_measured() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), vec![7; 100_000]).unwrap();
        let size = Size::of(file.path()).unwrap();
        assert_eq!(size.bytes, 100_000);
        assert!(size.gzipped < 1_000, "{size}");
    }
}
