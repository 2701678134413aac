//! Trainings that are stopped, killed and taken up again, and machines that come from elsewhere.

#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attractor"));
    command.args(arguments).current_dir(folder);
    command
}

fn attractor(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the binary was built for this test")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// A training of very many short epochs.
fn options<'a>(epochs: &'a str, folder: &'a str) -> Vec<&'a str> {
    let fixed =
        ["train", "rbm", "--data", "glyphs-8", "--hidden", "5", "--lr", "0.1", "--held-out", "0", "--seed", "3"];
    // A rate that falls falls to the epochs that are asked for: here those change on the way.
    [&fixed[..], &["--lr-end", "1", "--likelihood-every", "0", "--epochs", epochs, "-o", folder]].concat()
}

fn entries(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap_or_default();
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Starts a training and waits until it has so many whole epochs.
fn started(here: &Path, arguments: &[&str], epochs: usize) -> Child {
    let mut child = command(here, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !here.join("rbm/training.safetensors").exists() || entries(&here.join("rbm")).len() < epochs {
        assert!(begun.elapsed() < Duration::from_secs(60), "no epoch in a minute");
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// Ctrl-C loses nothing but the epoch under way, kill -9 no more; one writer at a time; the end is the same, bit for bit.
#[test]
fn a_training_that_was_stopped_and_killed_ends_where_it_would_have_ended() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let rbm = here.join("rbm");
    let forever = options("100000000", "rbm");
    let child = started(here, &forever, 3);
    let resumed = [&forever[..], &["--resume"]].concat();
    let second = attractor(here, &resumed);
    assert!(
        second.status.code() == Some(2) && said(&second).contains("another process is writing"),
        "{}",
        said(&second)
    );
    // SAFETY: a signal to a process that this test started and has not waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let stopped = child.wait_with_output().unwrap();
    let text = said(&stopped);
    assert!(stopped.status.code() == Some(130) && text.contains("of 100000000 epochs are complete"), "{text}");
    let go_on = text.lines().find_map(|line| line.strip_prefix("next: attractor ")).unwrap();
    assert_eq!(go_on.split(' ').collect::<Vec<_>>(), resumed);
    let whole = entries(&rbm).len();
    assert!(text.contains(&format!("{whole} of ")), "{text}: {whole} in the log");
    let early = attractor(here, &["generate", "rbm", "rbm", "-o", "x.svg"]);
    assert!(early.status.code() == Some(3) && said(&early).contains("has not ended"), "{}", said(&early));

    let mut child = started(here, &resumed, whole + 3);
    child.kill().unwrap();
    child.wait().unwrap();
    let half = rbm.join(format!("training.safetensors.{}.tmp", child.id()));
    std::fs::write(&half, b"half").unwrap();
    std::fs::write(rbm.join("mine.tmp"), b"mine").unwrap();
    let epochs = entries(&rbm).len() + 4;
    let last = attractor(here, &[&options(&epochs.to_string(), "rbm")[..], &["--resume"]].concat());
    assert!(last.status.success(), "{}", said(&last));
    assert!(!half.exists() && rbm.join("mine.tmp").exists());

    let log = entries(&rbm);
    assert!(log.iter().map(|entry| entry["epoch"].as_u64().unwrap() as usize).eq(1..=epochs));
    let seconds: Vec<f64> = log.iter().map(|entry| entry["seconds"].as_f64().unwrap()).collect();
    assert!(seconds.windows(2).all(|pair| pair[0] <= pair[1]), "{seconds:?}");
    assert!(attractor(here, &options(&epochs.to_string(), "whole")).status.success());
    let machine = |name: &str| std::fs::read(here.join(name).join("rbm.safetensors")).unwrap();
    assert!(machine("rbm") == machine("whole"));
}

/// Rates may change when a training goes on, and it is kept that they did.
#[test]
fn rates_may_change_and_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    assert!(attractor(here, &options("2", "rbm")).status.success());
    let slower: Vec<&str> =
        options("4", "rbm").into_iter().map(|word| if word == "0.1" { "0.025" } else { word }).collect();
    let output = attractor(here, &[&slower[..], &["--resume", "--clip", "5"]].concat());
    let text = said(&output);
    assert!(output.status.success() && text.contains("rates: was") && text.contains("from epoch 3 on"), "{text}");
    let rates: Vec<f64> =
        entries(&here.join("rbm")).iter().map(|entry| entry["learning_rate"].as_f64().unwrap()).collect();
    assert_eq!(rates.iter().map(|&rate| rate as f32).collect::<Vec<_>>(), [0.1, 0.1, 0.025, 0.025]);
    let file = std::fs::read(here.join("rbm/training.safetensors")).unwrap();
    let header = String::from_utf8_lossy(&file[..file.len().min(8000)]).into_owned();
    assert!(header.contains("changes") && header.contains("after_epoch"), "{header}");
}

/// CRC-32 of ZIP, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

/// What `numpy.savez` writes: arrays of f8 in stored members.
fn npz(arrays: &[(&str, &[usize], &[f64])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, shape, numbers) in arrays {
        let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
        let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({axes}), }}");
        header += &" ".repeat(63 - (10 + header.len()) % 64);
        header.push('\n');
        let mut data = [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
        data.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
        let name = format!("{name}.npy");
        // Version, flags, method, time, date, checksum, both sizes, lengths of name and extra field.
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        common.extend([crc(&data), data.len() as u32, data.len() as u32].iter().flat_map(|x| x.to_le_bytes()));
        common.extend([name.len() as u16, 0].iter().flat_map(|x| x.to_le_bytes()));
        let offset = (file.len() as u32).to_le_bytes();
        directory.extend([b"PK\x01\x02\x14\0", &common[..], &[0; 10], &offset, name.as_bytes()].concat());
        file.extend([b"PK\x03\x04", &common[..], name.as_bytes(), &data].concat());
    }
    let (count, start) = ((arrays.len() as u16).to_le_bytes(), (file.len() as u32).to_le_bytes());
    let size = (directory.len() as u32).to_le_bytes();
    file.extend(directory);
    file.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &start, &[0, 0]].concat());
    file
}

/// A machine whose states are known: hidden unit 0 is always on and wants 1 0 1, hidden unit 1 is always off and wants 0 1 1.
#[test]
fn a_machine_of_scikit_learn_is_drawn_from_and_trained_further() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let components = [90.0, -90.0, 90.0, -300.0, 300.0, 300.0];
    let arrays = [
        ("components_", &[2, 3][..], &components[..]),
        ("intercept_hidden_", &[2], &[500.0, -900.0]),
        ("intercept_visible_", &[3], &[0.0, 0.0, 0.0]),
        ("h_samples_", &[1, 2], &[0.0, 1.0]),
    ];
    std::fs::write(here.join("machine.npz"), npz(&arrays)).unwrap();
    let drawn = |model: &str| {
        let output = attractor(
            here,
            &["generate", "rbm", model, "--samples", "4", "--steps", "20", "--gibbs", "--drawn", "--json"],
        );
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["values"].clone()
    };
    let expected = serde_json::json!(vec![vec![1.0, 0.0, 1.0]; 4]);
    assert_eq!(drawn("machine.npz"), expected);

    std::fs::write(here.join("rows.csv"), "1,0,1\n0,1,1\n1,0,1\n").unwrap();
    let train = ["train", "rbm", "--data", "rows.csv", "--weights", "machine.npz", "--epochs", "1", "--held-out", "0"];
    let still = attractor(here, &[&train[..], &["--lr", "0", "--weight-decay", "0", "-o", "rbm", "--json"]].concat());
    assert!(still.status.success(), "{}", said(&still));
    assert_eq!(drawn("rbm"), expected, "a training at rate zero leaves the machine as it was");
    let other = attractor(here, &[&train[..], &["--hidden", "5", "-o", "other"]].concat());
    assert!(other.status.code() == Some(2) && said(&other).contains("has 2 hidden units"), "{}", said(&other));

    std::fs::write(here.join("two.npz"), npz(&arrays[..2])).unwrap();
    let two = attractor(here, &["generate", "rbm", "two.npz", "-o", "x.svg"]);
    assert!(two.status.code() == Some(3) && said(&two).contains("intercept_visible_"), "{}", said(&two));
    let turned = [("components_", &[3, 2][..], &components[..]), arrays[1], arrays[2]];
    std::fs::write(here.join("turned.npz"), npz(&turned)).unwrap();
    let turned = attractor(here, &["generate", "rbm", "turned.npz", "-o", "x.svg"]);
    assert!(turned.status.code() == Some(3) && said(&turned).contains("turned.npz"), "{}", said(&turned));
}

/// Equal and constant patterns are told before they disappoint; with --quiet they are not.
#[test]
fn patterns_that_cannot_be_told_apart_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(here.join("rows.csv"), "1,0,1,0\n1,1,1,1\n0,0,1,1\n1,0,1,0\n1,0,1,0\n").unwrap();
    for (memory, constant) in [("hopfield", true), ("dense", true), ("modern", false)] {
        let heard = |more: &[&str]| {
            let output = attractor(here, &[&["memory", memory, "--data", "rows.csv"], more].concat());
            assert!(output.status.success(), "{memory}: {}", said(&output));
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        let text = heard(&[]);
        assert!(text.contains("patterns 0 and 3 are equal, and 1 more repeat"), "{memory}: {text}");
        assert_eq!(text.contains("pattern 1 has the same value at every unit"), constant, "{memory}: {text}");
        assert_eq!(heard(&["--quiet"]), "");
    }
}

/// A language model that was stopped by Ctrl-C and taken up again has the bits and the log of one that was not; other options
/// are refused.
#[test]
fn a_language_model_is_stopped_and_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("../attractor-session/demo/text.txt");
    let options = |folder: &'static str| -> Vec<&str> {
        let sizes = ["--layers", "1", "--heads", "2", "--width", "16", "--vocab", "300", "--seq-len", "32"];
        let fixed = ["train", "causal-lm", "--text-file", text.to_str().unwrap(), "-o", folder, "--batch-size", "4"];
        [&fixed[..], &sizes, &["--quiet"]].concat()
    };
    let steps = ["--steps", "900"];
    let whole = attractor(here, &[&options("whole")[..], &steps].concat());
    assert!(whole.status.success(), "{}", said(&whole));
    let begin = [&options("rbm")[..], &steps].concat();
    // Stopped after its first save, wherever that is by then.
    let child = started(here, &begin, 210);
    // SAFETY: a signal to a child of ours.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let stopped = child.wait_with_output().unwrap();
    assert_eq!(stopped.status.code(), Some(130), "{}", said(&stopped));
    let done = entries(&here.join("rbm")).len();
    assert!(done < 900 && said(&stopped).contains(&format!("stopped: {done} of 900")), "{}", said(&stopped));
    let other = attractor(here, &[&options("rbm")[..], &["--steps", "950", "--resume"]].concat());
    assert!(other.status.code() == Some(2) && said(&other).contains("steps 900, now it is 950"), "{}", said(&other));
    let last = attractor(here, &[&begin[..], &["--resume"]].concat());
    assert!(last.status.success(), "{}", said(&last));
    let file = |folder: &str, name: &str| std::fs::read(here.join(folder).join(name)).unwrap();
    assert!(file("whole", "model.safetensors") == file("rbm", "model.safetensors"));
    assert!(file("whole", "metrics.jsonl") == file("rbm", "metrics.jsonl"));
}
