//! A real causal model, SmolLM2-135M-Instruct, from its GGUF file (`cargo xtask fetch`), by the program that users get.

mod shared;

use std::ffi::OsString;
use std::path::Path;

use shared::{attractor, parsed, said};

/// The model's file, if the environment names it; `cargo xtask test --all` fails where it cannot be had.
fn smollm2() -> Option<OsString> {
    let file = std::env::var_os("ATTRACTOR_SMOLLM2");
    if file.is_none() {
        println!("skipped: ATTRACTOR_SMOLLM2 does not name the file of SmolLM2-135M-Instruct");
    }
    file
}

/// The eight heads whose maps, by transformers, weigh the token after an earlier occurrence most (`smollm2_real`,
/// `repeat.induction`: 0.46 to 0.90; the ninth has 0.29).
#[test]
fn its_induction_heads_are_those_of_its_maps() {
    let Some(model) = smollm2() else { return };
    let arguments = ["heads", model.to_str().unwrap(), "--detect", "induction", "--json", "--max-inputs", "6"];
    let found = parsed(&attractor(Path::new("."), &arguments));
    let named = &found["detectors"][0]["found"];
    let expected = ["L17H3", "L17H4", "L17H5", "L18H6", "L18H7", "L20H6", "L23H2", "L23H7"];
    assert_eq!(*named, serde_json::json!(expected), "{named}");
}

#[test]
fn it_passes_with_no_threshold_moved_for_it() {
    let Some(model) = smollm2() else { return };
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/northanger-abbey.txt");
    let arguments = ["validate", model.to_str().unwrap(), "--text-file", text.to_str().unwrap()];
    let folder = tempfile::tempdir().unwrap();
    let few = ["--seq-len", "64", "--max-inputs", "5", "--quick", "--json"];
    let judged = attractor(folder.path(), &[&arguments[..], &few].concat());
    assert!(judged.status.success(), "{}", said(&judged));
    let report = parsed(&judged);
    let of_model = |id: &str| {
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|c| c["id"] == id && c["layer"].is_null() && c["head"].is_null());
        check.unwrap_or_else(|| panic!("no {id}")).clone()
    };
    assert_eq!(of_model("loss.perplexity")["verdict"], "pass");
    assert_eq!(of_model("abl.uniform")["verdict"], "pass");
    // What was not run within the budget is not testable, and says so.
    let zero = report["checks"].as_array().unwrap().iter().find(|c| c["id"] == "abl.zero" && c["head"] == 0).unwrap();
    assert!(zero["why"].as_str().unwrap().contains("budget of 0 passes"), "{zero}");
}
