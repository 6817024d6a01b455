//! The options of `killer capture`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::common::choice;
use super::usage::Wrong;
use crate::ask::capture::{Capture, Limits, Memory, Range, Then};
use crate::ask::name;
use crate::ask::span::{self, Span};
use crate::ending::{Ending, with_code};

/// What stands behind `killer capture`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "killer capture [OPTIONS] NAME --out FILE\n       killer capture --export FILE",
    after_help = "The service is held still as by 'freeze', and each process is read in the order in which its parts change. FILE is a tar, \
                  made new and for this user alone; 'killer verify-capture FILE' checks it anywhere. Nothing that the service serves or \
                  points to is opened but regular files that go with it. A capture that is interrupted leaves a file that can be read \
                  as far as it came, and does with the service what was asked."
)]
pub struct CaptureOptions {
    /// Name of a service
    #[arg(value_name = "NAME", value_parser = name::parse)]
    name: Option<String>,
    /// The file that is made; packed by Zstandard when its name ends in .zst
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Make FILE.body (mactime) and FILE.ndjson (Timesketch) from a capture, anywhere
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// What becomes of the service then: keep (it stays frozen), thaw, kill [default: thaw, or keep when it was frozen before]
    #[arg(long, value_name = "WHAT", value_parser = choice::<Then>(), hide_possible_values = true)]
    then: Option<Then>,
    /// Memory, as cores that gdb opens: none, private (pages that nobody else has), all
    #[arg(long, value_name = "WHICH", value_parser = choice::<Memory>(), default_value = "none", hide_possible_values = true)]
    memory: Memory,
    /// Only this range of memory, as /proc/PID/maps has it; may be repeated
    #[arg(long, value_name = "PID:START-END", value_parser = Range::parse)]
    range: Vec<Range>,
    #[arg(
        long,
        value_name = "SPAN",
        default_value = "10min",
        value_parser = span::parse,
        help = with_code("End after so long, with what is there by then", Ending::Timeout)
    )]
    timeout: Span,
    /// Give up a look that does not come back (a process can see to that), and name it
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = span::parse)]
    patience: Span,
    /// End when the file is so large (K, M, G, T)
    #[arg(long, value_name = "SIZE", default_value = "64G", value_parser = size)]
    most: u64,
    /// Of one file's content keep so much
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = size)]
    content_limit: u64,
}

fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, unit)) if !unit.is_ascii_digit() => (&text[..at], unit.to_ascii_uppercase()),
        _ => (text, ' '),
    };
    let power = " KMGT".find(unit).filter(|_| unit.is_ascii());
    let n = digits.parse::<u64>().ok().zip(power).and_then(|(n, p)| n.checked_mul(1 << (10 * p)));
    n.ok_or_else(|| "a size is a number, with K, M, G or T behind it".into())
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Captures {
    /// A service is captured.
    Make(String, Capture),
    /// A capture is exported.
    Export(PathBuf),
}

impl CaptureOptions {
    /// What is asked.
    ///
    /// # Errors
    /// Options that do not go together.
    pub fn asked(&self) -> Result<Captures, Wrong> {
        let (name, out) = match (&self.name, &self.out, &self.export) {
            (None, None, Some(file)) => return Ok(Captures::Export(file.clone())),
            (.., Some(_)) => {
                return Err(Wrong::new(
                    "--export goes with neither NAME nor --out",
                    "killer capture --export FILE",
                ));
            }
            (None, ..) => return Err(Wrong::new("no service to capture", "killer capture NAME --out FILE")),
            (_, None, _) => return Err(Wrong::new("--out is needed", "killer capture NAME --out FILE")),
            (Some(name), Some(out), None) => (name.clone(), out.clone()),
        };
        if matches!(out.extension().and_then(|e| e.to_str()), Some("gz" | "xz" | "bz2" | "zstd")) {
            return Err(Wrong::new(
                "--out names a tar (FILE.tar), or one that is packed by Zstandard (FILE.tar.zst)",
                "another form is made of a whole one: 'xz FILE.tar'; 'xz -dc FILE.tar.xz | killer verify-capture -' checks it",
            ));
        }
        if !self.range.is_empty() && self.memory == Memory::None {
            return Err(Wrong::new("--range needs --memory", "--memory=all with --range PID:START-END"));
        }
        let limits = Limits {
            memory: self.memory,
            ranges: self.range.clone(),
            content: self.content_limit,
            most: self.most,
            time: self.timeout.limit().unwrap_or(Duration::MAX),
            look: self.patience.limit().unwrap_or(Duration::MAX),
        };
        Ok(Captures::Make(name, Capture { out, then: self.then, limits }))
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes() {
        assert_eq!((size("0"), size("5k"), size("2G")), (Ok(0), Ok(5 << 10), Ok(2 << 30)));
        for bad in ["", "x", "-1", "5X", "1é", "99999999999999999T", "G"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
