//! What the page's script reads is what Rust writes: `viewer/src/schema.ts` is generated from the structures themselves.
//!
//! `ATTRACTOR_GOLDEN=write cargo nextest run --workspace --cargo-profile bench the_scripts_types` writes it anew; then `cargo xtask viewer`.

#[path = "common/typescript.rs"]
mod typescript;

use std::fmt::Write as _;
use std::path::Path;

use attractor_judge::report::{HeadFigure, HeadSummary};
use attractor_judge::{Check, CheckId};
use attractor_render::page::payload::{Payload, VERSION};
use typescript::Types;

fn schema() -> String {
    let mut types = Types::default();
    for source in [
        include_str!("../src/page/payload.rs"),
        include_str!("../../attractor-record/src/place.rs"),
        include_str!("../../attractor-judge/src/verdict.rs"),
        include_str!("../../attractor-judge/src/report/check.rs"),
        include_str!("../../attractor-judge/src/report/mod.rs"),
        include_str!("../../attractor-judge/src/report/head.rs"),
        include_str!("../../attractor-judge/src/groups/heads.rs"),
        include_str!("../../attractor-judge/src/statistics/interval.rs"),
        include_str!("../../attractor-judge/src/id.rs"),
    ] {
        types.comments(source);
    }
    types.add::<Payload>();
    types.add::<Check>();
    types.add::<HeadSummary>();
    let mut out = String::from(
        "// What the page carries for this script. Generated from the structures of Rust by the test\n\
         // crates/attractor-render/tests/schema.rs, which says how; not to be changed by hand.\n\n",
    );
    let _ =
        writeln!(out, "/** The form of the payload that this script reads. */\nexport const VERSION = {VERSION};\n");
    out.push_str(&types.declared());
    let names: Vec<String> = HeadFigure::ALL.iter().map(|figure| format!("{:?}", figure.name())).collect();
    let _ = write!(
        out,
        "/** The figures of a head's line. */\nexport type HeadFigure = {};\n\n\
         /** A column of the head table. */\nexport interface HeadColumn {{\n  name: HeadFigure;\n  title: string;\n  \
         about: string;\n  /** True if it is a share of one. */\n  share: boolean;\n  /** The check whose value it is. */\n  \
         check: CheckId | null;\n}}\n\nexport const HEAD_COLUMNS: readonly HeadColumn[] = [\n",
        names.join(" | ")
    );
    for figure in HeadFigure::ALL {
        let check = figure.check().map_or("null".to_string(), |id: CheckId| format!("{:?}", id.as_str()));
        let _ = writeln!(
            out,
            "  {{ name: {:?}, title: {:?}, about: {:?}, share: {}, check: {check} }},",
            figure.name(),
            figure.title(),
            figure.about(),
            figure.is_share()
        );
    }
    out.push_str("];\n");
    out
}

#[test]
fn the_scripts_types_are_those_that_rust_writes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../viewer/src/schema.ts");
    let schema = schema();
    if std::env::var_os("ATTRACTOR_GOLDEN").is_some_and(|v| v == "write") {
        std::fs::write(&path, &schema).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == schema,
        "viewer/src/schema.ts is not what Rust writes; the head of this test says how to renew it"
    );
}

/// The comparison above would pass for types that are wrong on both sides: some are written here by hand.
#[test]
fn types_are_told_apart() {
    let schema = schema();
    for line in [
        "  prompt: number | null;",
        "  step: Step | null;",
        "  links: [number, number, number][];",
        "  interval: Interval | null;",
        "  id: CheckId;",
        "  kept: boolean;",
        "  texts: string[];",
        "  class: Class | null;",
        "export type Verdict = \"pass\" | \"warn\" | \"fail\" | \"skipped\";",
        "  /** Weight of code 2. */",
    ] {
        assert!(schema.lines().any(|own| own == line), "{line}\n{schema}");
    }
    let ids = CheckId::ALL.iter().filter(|id| schema.contains(&format!("  | {:?}", id.as_str())));
    assert_eq!(ids.count(), CheckId::ALL.len());
}
