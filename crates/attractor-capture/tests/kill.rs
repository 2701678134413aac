//! A writer that is killed, and a disk that is full, leave everything that was committed.

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use attractor::random::Philox;
use attractor_capture::{Run, RunOptions, RunWriter};
use attractor_data::files::Durability;
use attractor_record::{Captured, Patterns, Selection};
use common::{info, input};

const RUN: &str = "ATTRACTOR_TEST_RUN";

fn record(index: usize) -> attractor_record::InputRecord {
    input(77, index, 3 + index % 5)
}

/// This test binary again, running one ignored test below.
fn child(test: &str, run: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test, "--nocapture"]).env(RUN, run);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
#[ignore = "the child of the tests below"]
fn appends_until_killed() {
    let mut writer = RunWriter::resume(std::env::var(RUN).unwrap()).unwrap();
    loop {
        writer.append(&record(writer.committed())).unwrap();
    }
}

#[test]
#[ignore = "the child of the tests below"]
fn appends_more_than_the_disk_takes() {
    let mut writer = RunWriter::resume(std::env::var(RUN).unwrap()).unwrap();
    let error = writer.append(&input(77, writer.committed(), 2000)).unwrap_err();
    assert!(error.is_io() && error.to_string().contains("File too large"), "{error}");
    assert_eq!(writer.committed(), 2);
    // What is small enough still goes in.
    writer.append(&record(2)).unwrap();
}

fn temporary_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| match path.is_dir() {
            true => temporary_files(&path),
            false => usize::from(path.extension().is_some_and(|extension| extension == "tmp")),
        })
        .sum()
}

fn kill(mut child: Child) {
    // SIGKILL: no destructor runs, no buffer is flushed.
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn killed_25_times_in_a_row_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    // Few heads: every round reads everything again.
    let options = RunOptions { selection: Selection::parse(None, Some("3.4-5")).unwrap(), ..RunOptions::default() };
    drop(RunWriter::create(&path, &options, &info()).unwrap());
    let mut random = Philox::new(25, 0);
    let (mut before, mut asked, mut swept, mut unfinished, mut reads) = (0, 0, 0, 0, 0);
    let mut look = || {
        // A reader beside the writer always finds a whole run.
        let run = Run::open(&path).unwrap();
        reads += 1;
        if let Some(last) = run.inputs().checked_sub(1) {
            run.statistics(3, 5, last).unwrap().unwrap();
        }
        std::thread::sleep(Duration::from_millis(1));
        run.inputs()
    };
    for round in 0..25 {
        let commits = random.below(2);
        asked += commits;
        let process = child("appends_until_killed", &path).spawn().unwrap();
        let patience = Instant::now() + Duration::from_secs(20);
        while look() < before + commits {
            assert!(Instant::now() < patience, "the child never committed");
        }
        let end = Instant::now() + Duration::from_millis(random.below(50) as u64);
        while Instant::now() < end {
            look();
        }
        kill(process);
        swept += usize::from(temporary_files(&path) > 0);
        let run = Run::open(&path).unwrap();
        let after = run.inputs();
        assert!(after >= before, "round {round}: {after} inputs, {before} before");
        unfinished += usize::from(path.join(format!("capture.zarr/inputs/{after:05}")).exists());
        run.verify().unwrap();
        for index in 0..after {
            assert_eq!(run.tokens(index), record(index).tokens, "round {round}, input {index}");
        }
        before = after;
    }
    let mut writer = RunWriter::resume(&path).unwrap();
    assert_eq!(temporary_files(&path), 0);
    writer.append(&record(writer.committed())).unwrap();
    writer.finish().unwrap();
    let run = Run::open(&path).unwrap();
    let expected = Captured { info: info(), inputs: (0..run.inputs()).map(record).collect() };
    for index in 0..run.inputs() {
        let (a, b) = (run.statistics(3, 4, index).unwrap(), expected.statistics(3, 4, index).unwrap());
        assert_eq!(format!("{a:?}"), format!("{b:?}"), "input {index}");
    }
    println!(
        "25 kills: {} inputs whole, {swept} runs left temporary files, {unfinished} an unfinished input, {reads} reads beside \
         the writer, 0 failed",
        run.inputs()
    );
    assert!(run.inputs() > asked && unfinished > 0, "the kills must strike while something is written");
}

#[test]
fn a_second_writer_is_refused_while_the_first_lives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    drop(RunWriter::create(&path, &RunOptions::default(), &info()).unwrap());
    let process = child("appends_until_killed", &path).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while Run::open(&path).unwrap().inputs() == 0 {
        assert!(Instant::now() < end, "the child never committed");
    }
    let error = RunWriter::resume(&path).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("another process is writing"), "{error}");
    kill(process);
    RunWriter::resume(&path).unwrap();
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_earlier_inputs_whole() {
    use std::os::unix::process::CommandExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let options = RunOptions { durability: Durability::Power, ..RunOptions::default() };
    let mut writer = RunWriter::create(&path, &options, &info()).unwrap();
    writer.append(&record(0)).unwrap();
    writer.append(&record(1)).unwrap();
    drop(writer);
    let mut command = child("appends_more_than_the_disk_takes", &path);
    // SAFETY: between fork and exec only async-signal-safe calls are made, on values of this frame.
    unsafe {
        command.pre_exec(|| {
            // A write beyond the limit then fails with EFBIG instead of killing the process.
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            let limit = libc::rlimit { rlim_cur: 100 << 10, rlim_max: 100 << 10 };
            match libc::setrlimit(libc::RLIMIT_FSIZE, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    assert!(command.status().unwrap().success());
    let run = Run::open(&path).unwrap();
    assert_eq!(run.inputs(), 3);
    run.verify().unwrap();
    assert_eq!(temporary_files(&path), 0);
    for index in 0..3 {
        assert_eq!(run.tokens(index), record(index).tokens);
    }
}
