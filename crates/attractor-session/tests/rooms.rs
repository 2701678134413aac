//! The arrows between the rooms (docs/design.md), held to the manifests.

use std::collections::BTreeSet;
use std::path::Path;

/// Each room, and the rooms that it may know.
const ROOMS: [(&str, &[&str]); 9] = [
    ("attractor", &[]),
    ("attractor-record", &["attractor"]),
    ("attractor-data", &["attractor", "attractor-record"]),
    ("attractor-capture", &["attractor", "attractor-record", "attractor-data"]),
    ("attractor-nn", &["attractor", "attractor-record"]),
    ("attractor-judge", &["attractor", "attractor-record"]),
    ("attractor-render", &["attractor", "attractor-record", "attractor-judge"]),
    (
        "attractor-session",
        &["attractor", "attractor-record", "attractor-data", "attractor-capture", "attractor-nn", "attractor-judge"],
    ),
    // Options and words: whatever a job needs, the library hands on.
    ("attractor-cli", &["attractor-session", "attractor-render"]),
];

#[test]
fn every_room_knows_only_the_rooms_below_it() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (room, allowed) in ROOMS {
        let manifest = std::fs::read_to_string(crates.join(room).join("Cargo.toml")).unwrap();
        let used = manifest
            .split("\n[")
            .filter(|section| section.starts_with("dependencies]"))
            .flat_map(str::lines)
            .filter_map(|line| line.split(['.', ' ', '=']).next())
            .filter(|name| name.starts_with("attractor"))
            .collect::<BTreeSet<_>>();
        let allowed = allowed.iter().copied().collect::<BTreeSet<_>>();
        let beyond: Vec<_> = used.difference(&allowed).collect();
        assert!(beyond.is_empty(), "{room} knows {beyond:?}, which docs/design.md does not draw");
    }
}
