//! What several of these tests need: the program as a user starts it, and a model of which parts were destroyed.

// Every test compiles its own copy and needs some of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub fn attractor(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attractor"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the binary was built for this test")
}

pub fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
        panic!("{e}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    })
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// The folder of the embedded model.
pub fn demo() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../attractor-session/demo").to_str().unwrap().to_string()
}

/// A copy of the embedded model with the queries, keys and values of a layer set to zero: every head there is uniform.
pub fn without_layer(folder: &Path, layer: usize) -> PathBuf {
    let copy = folder.join(format!("without-layer-{layer}"));
    std::fs::create_dir(&copy).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(Path::new(&demo()).join(name), copy.join(name)).unwrap();
    }
    let file = copy.join("model.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let names: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let mut found = 0;
    for (name, entry) in names.as_object().unwrap() {
        if name.contains(&format!("h.{layer}.attn.c_attn")) {
            let at = |i: usize| 8 + header + entry["data_offsets"][i].as_u64().unwrap() as usize;
            bytes[at(0)..at(1)].fill(0);
            found += 1;
        }
    }
    assert!(found >= 1, "{names}");
    std::fs::write(&file, bytes).unwrap();
    copy
}
