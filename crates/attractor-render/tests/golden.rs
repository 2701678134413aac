//! Every kind of figure, pixel by pixel, against pictures that somebody has looked at.
//!
//! `ATTRACTOR_GOLDEN=write cargo nextest run --workspace --cargo-profile bench golden` writes them anew: look at
//! each that changed before it is committed.
#![cfg(feature = "export")]

#[path = "common/gallery.rs"]
mod gallery;

use std::path::{Path, PathBuf};

use attractor_render::canvas::file;

/// Pixels for a CSS pixel: small files in which an edge that moves by half a CSS pixel is still seen.
const SCALE: f64 = 0.5;
/// Largest difference of a colour, of 255: what the order of additions may move at an edge, and far below what is seen.
const TOLERANCE: u8 = 4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn decoded(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    (info.width, info.height, pixels)
}

/// What differs, in words; none if nothing does.
fn difference(golden: &[u8], drawn: &[u8]) -> Option<String> {
    let ((w0, h0, old), (w1, h1, new)) = (decoded(golden), decoded(drawn));
    if (w0, h0) != (w1, h1) {
        return Some(format!("{w1} x {h1} pixels instead of {w0} x {h0}"));
    }
    let apart = |i: &usize| (0..3).map(|c| old[3 * i + c].abs_diff(new[3 * i + c])).max().unwrap_or(0) > TOLERANCE;
    let all: Vec<usize> = (0..old.len() / 3).filter(apart).collect();
    let first = all.first()?;
    Some(format!("{} pixels, the first at ({}, {})", all.len(), first % w0 as usize, first / w0 as usize))
}

#[test]
fn every_kind_looks_as_it_did() {
    let write = std::env::var_os("ATTRACTOR_GOLDEN").is_some_and(|v| v == "write");
    let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).join("figures");
    std::fs::create_dir_all(&beside).unwrap();
    let (mut differ, mut known) = (Vec::new(), Vec::new());
    for (name, svg) in gallery::all() {
        let drawn = file::png(&svg, SCALE).unwrap();
        let path = folder().join(format!("{name}.png"));
        known.push(format!("{name}.png"));
        if write {
            std::fs::write(&path, &drawn).unwrap();
            continue;
        }
        let what = match std::fs::read(&path) {
            Ok(golden) => difference(&golden, &drawn),
            Err(e) => Some(format!("no golden picture: {e}")),
        };
        if let Some(what) = what {
            let kept = beside.join(format!("{name}.png"));
            std::fs::write(&kept, &drawn).unwrap();
            differ.push(format!("{name}: {what}; what was drawn is {}", kept.display()));
        }
    }
    for entry in std::fs::read_dir(folder()).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        if !known.contains(&file) {
            differ.push(format!("{file}: a golden picture of no figure"));
        }
    }
    assert!(
        differ.is_empty(),
        "{} figures differ; ATTRACTOR_GOLDEN=write accepts them:\n{}",
        differ.len(),
        differ.join("\n")
    );
}

#[test]
fn the_comparison_sees_one_pixel_of_another_colour() {
    let figure = |fill: &str| {
        let svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='40' height='40'><rect x='20' y='8' width='2' height='2' \
             fill='{fill}'/></svg>"
        );
        file::png(&svg, SCALE).unwrap()
    };
    let grey = figure("#808080");
    assert_eq!(difference(&grey, &figure("#828282")), None);
    assert_eq!(difference(&grey, &figure("#888888")).as_deref(), Some("1 pixels, the first at (10, 4)"));
}

#[test]
fn every_kind_is_a_page_and_well_formed() {
    for (name, svg) in gallery::all() {
        let pdf = file::pdf(&svg).unwrap();
        assert!(pdf.starts_with(b"%PDF-") && pdf.len() < 2_000_000, "{name}: {} bytes", pdf.len());
        assert!(!svg.contains("NaN\"") && !svg.contains("inf\""), "{name}");
    }
}
