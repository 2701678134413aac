//! Which keys of a configuration are understood: `keys.toml`, held against a file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::keys::{Keys, short};
use crate::checkpoint::opening::Ignored;
use attractor::{Error, Hint, Result};

/// What a family does with keys.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Lists {
    read: BTreeSet<String>,
    harmless: BTreeSet<String>,
    only: BTreeMap<String, Value>,
    refused: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Known {
    rope: BTreeMap<String, Lists>,
    #[serde(flatten)]
    families: BTreeMap<String, Lists>,
}

static KNOWN: LazyLock<Known> =
    LazyLock::new(|| toml::from_str(include_str!("keys.toml")).expect("the table of keys is part of the source"));

/// Why a key cannot be passed over; `None`: it can.
fn fault(lists: &[&Lists], key: &str, value: &Value) -> Option<String> {
    if value.is_null() {
        return None;
    }
    if lists.iter().any(|l| l.read.contains(key) || l.harmless.contains(key)) {
        return None;
    }
    if let Some(only) = lists.iter().find_map(|l| l.only.get(key)) {
        return (only != value).then(|| format!("only {only} is built in"));
    }
    if let Some(why) = lists.iter().find_map(|l| l.refused.get(key)) {
        return Some(why.clone());
    }
    Some("is not understood for this family, and may change what the model computes".into())
}

/// Refuses keys that are not understood; those to ignore are collected in `passed`.
///
/// `families` name the lists that join. `inside` is the path of the object in the file.
///
/// # Errors
/// `is_unsupported`, naming every such key.
pub(super) fn check(
    keys: &Keys<'_>,
    families: &[&str],
    inside: &str,
    ignored: &Ignored,
    passed: &mut Vec<String>,
) -> Result<()> {
    let lists: Vec<&Lists> = families.iter().chain(&["all"]).filter_map(|family| KNOWN.families.get(*family)).collect();
    refuse(keys, &lists, inside, ignored, passed)
}

/// The same of an object that describes a rotation.
pub(super) fn check_rope(keys: &Keys<'_>, inside: &str, ignored: &Ignored, passed: &mut Vec<String>) -> Result<()> {
    let kind = ["rope_type", "type"].iter().find_map(|key| keys.get(key)?.as_str()).unwrap_or("default");
    // A kind that is not built in is refused by its name when it is read.
    let Some(own) = KNOWN.rope.get(kind) else { return Ok(()) };
    refuse(keys, &[own, &KNOWN.rope["all"]], inside, ignored, passed)
}

fn refuse(keys: &Keys<'_>, lists: &[&Lists], inside: &str, ignored: &Ignored, passed: &mut Vec<String>) -> Result<()> {
    let mut faults = Vec::new();
    for (key, value) in keys.entries() {
        let Some(why) = fault(lists, key, value) else { continue };
        let path = if inside.is_empty() { key.clone() } else { format!("{inside}.{key}") };
        match ignored.has(&path) {
            true => passed.push(path),
            false => faults.push((path, short(value), why)),
        }
    }
    let Some((first, ..)) = faults.first() else { return Ok(()) };
    let hint = Hint::give("ignore_keys", first);
    let many = faults.len();
    let told: Vec<String> =
        faults.iter().take(8).map(|(path, value, why)| format!("`{path}` ({value}): {why}")).collect();
    let more = if many > 8 { format!("; and {} more", many - 8) } else { String::new() };
    Err(Error::unsupported(format!("{}: {}{more}", keys.place(), told.join("; "))).hinted(hint))
}
