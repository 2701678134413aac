//! Metrics as they come: `metrics.jsonl`, one object a line, and TensorBoard's events beside it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::events;
use crate::files::{Durability, write_whole};
use attractor::{Error, Result};
use attractor_record::file;

/// The file of lines.
const LINES: &str = "metrics.jsonl";

/// Metrics by name at each step or epoch, oldest first; what was not finite is missing.
pub type History = Vec<(u64, BTreeMap<String, f64>)>;

/// Where a trainer writes its metrics.
#[derive(Debug)]
pub struct MetricLog {
    /// Name of the counter: "epoch", "step".
    counter: &'static str,
    path: PathBuf,
    lines: File,
    events: File,
}

impl MetricLog {
    /// Begins a log in a folder, or goes on behind the entries whose counter is at most `after`; later ones belong to work
    /// that was lost, and are taken away.
    ///
    /// # Errors
    /// `is_io`; `is_format` if an earlier log has a line that is not an entry.
    pub fn open(folder: &Path, counter: &'static str, after: Option<u64>) -> Result<Self> {
        let path = folder.join(LINES);
        let io =
            |error: std::io::Error| Error::io(format!("{}: cannot be written: {error}", path.display())).because(error);
        if let Some(after) = after {
            let kept: Vec<String> = earlier(&path, counter)?
                .into_iter()
                .filter(|(at, _)| *at <= after)
                .map(|(_, line)| line + "\n")
                .collect();
            write_whole(&path, kept.concat().as_bytes(), Durability::Process)?;
        }
        file::absent_or_regular(&path, "a log")?;
        let mut options = OpenOptions::new();
        let options = options.create(true).write(true);
        let lines = match after {
            Some(_) => options.append(true).open(&path),
            None => options.truncate(true).open(&path),
        };
        let lines = lines.map_err(io)?;
        let now = seconds();
        let mut file = folder.join(format!("events.out.tfevents.{:.0}.attractor", now));
        // TensorBoard reads all event files of a folder in the order of their names.
        for number in 1.. {
            if !file.exists() {
                break;
            }
            file = folder.join(format!("events.out.tfevents.{now:.0}.attractor.{number}"));
        }
        let mut events = File::create(&file).map_err(io)?;
        events.write_all(&events::version(now)).map_err(io)?;
        Ok(Self { counter, path, lines, events })
    }

    /// Writes one entry: numbers that are not finite are null in the line and missing among the events.
    ///
    /// # Errors
    /// `is_io`.
    pub fn write(&mut self, at: u64, numbers: &[(&str, f64)]) -> Result<()> {
        let mut line = Map::from_iter([(self.counter.to_string(), json!(at))]);
        line.extend(numbers.iter().map(|(name, number)| ((*name).to_string(), json!(number))));
        let finite: Vec<(&str, f64)> = numbers.iter().copied().filter(|(_, number)| number.is_finite()).collect();
        let text = format!("{}\n", Value::Object(line));
        let written = self.lines.write_all(text.as_bytes());
        written
            .and_then(|()| self.events.write_all(&events::scalars(seconds(), at, &finite)))
            .map_err(|error| Error::io(format!("{}: cannot be written: {error}", self.path.display())).because(error))
    }

    /// The entries of a folder's log, oldest first: the counter, and the finite numbers by name.
    ///
    /// # Errors
    /// `is_io`; `is_format` for a line that is not an entry.
    pub fn read(folder: &Path, counter: &str) -> Result<History> {
        let numbers = |line: &str| {
            let entry: Map<String, Value> = serde_json::from_str(line).unwrap_or_default();
            let named = entry.into_iter().filter(|(name, _)| name != counter);
            named.filter_map(|(name, value)| Some((name, value.as_f64()?))).collect()
        };
        let entries = earlier(&folder.join(LINES), counter)?;
        Ok(entries.into_iter().map(|(at, line)| (at, numbers(&line))).collect())
    }
}

/// Counter and text of each line; a last line that was cut off is left out.
fn earlier(path: &Path, counter: &str) -> Result<Vec<(u64, String)>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = String::from_utf8(file::read(path, "the log", u64::MAX)?)
        .map_err(|error| Error::format(format!("{}: is not text: {error}", path.display())).because(error))?;
    let mut entries = Vec::new();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let Some(line) = line.strip_suffix('\n') else { break };
        let at = serde_json::from_str::<Value>(line).ok().and_then(|entry| entry[counter].as_u64());
        let at = at.ok_or_else(|| {
            Error::format(format!("{}: line {} has no {counter:?}; name another folder", path.display(), number + 1))
        })?;
        entries.push((at, line.to_string()));
    }
    Ok(entries)
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_goes_on_loses_what_was_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = MetricLog::open(folder.path(), "epoch", None).unwrap();
        for epoch in 1..=4 {
            log.write(epoch, &[("recon_error", 1.0 / epoch as f64), ("log_likelihood", f64::NAN)]).unwrap();
        }
        drop(log);
        // Cut off in the middle of a line, as by a crash.
        let path = folder.path().join(LINES);
        let text = std::fs::read_to_string(&path).unwrap();
        let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(first, json!({ "epoch": 1, "recon_error": 1.0, "log_likelihood": null }));
        std::fs::write(&path, text + "{\"epoch\":5,\"rec").unwrap();
        let mut log = MetricLog::open(folder.path(), "epoch", Some(2)).unwrap();
        log.write(3, &[("recon_error", 0.25)]).unwrap();
        let read = MetricLog::read(folder.path(), "epoch").unwrap();
        assert_eq!(read.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(read[2].1["recon_error"], 0.25);
        let events: Vec<_> = std::fs::read_dir(folder.path()).unwrap().filter_map(|e| e.ok()).collect();
        assert_eq!(events.len(), 3, "the lines, and a file of events for each start");
        assert!(MetricLog::open(folder.path(), "step", Some(1)).unwrap_err().to_string().contains("line 1"));
    }
}
