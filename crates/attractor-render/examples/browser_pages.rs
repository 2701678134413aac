//! Writes the pages that the browser test opens: hostile tokens, a failure, long inputs, very many heads, no maps.
//!
//! `cargo run --release --workspace --example browser_pages -- FOLDER`

use std::path::{Path, PathBuf};

use attractor_judge::{Config, judge};
use attractor_render::{Options, report_html};

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Kind, Maps};

/// Tokens as they may come from anywhere; the test looks for them by these texts.
const HOSTILE: [&str; 7] = [
    "</script><img src=x onerror=document.title='owned'>",
    "\u{202E}drowssap",
    "שלום",
    "日本語",
    "a\u{0}\u{200B}b",
    "&lt;b&gt;",
    "<!--<script>",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: browser_pages FOLDER")?);
    std::fs::create_dir_all(&folder)?;
    let kinds = [Kind::Previous, Kind::Uniform, Kind::Sink, Kind::Local, Kind::Induction, Kind::Noise, Kind::Duplicate];
    let grid = |layers: usize, heads: usize| -> Vec<Vec<Kind>> {
        (0..layers).map(|l| (0..heads).map(|h| kinds[(l * heads + h) % kinds.len()]).collect()).collect()
    };

    let mut maps = Maps::new(grid(2, 4), 6, 64);
    for input in &mut maps.tokens {
        for (token, text) in input.iter_mut().skip(3).zip(HOSTILE) {
            token.text = text.to_string();
        }
    }
    maps.info.family = "<i>\u{202E}family</i>".into();
    write(&folder.join("hostile.html"), &maps, &Options { inputs: vec![0, 1], ..Options::default() })?;

    let broken = Maps::new(vec![vec![Kind::Previous, Kind::Leak], vec![Kind::Uniform, Kind::Nan]], 5, 30);
    write(&folder.join("broken.html"), &broken, &Options::default())?;

    let long = Maps::new(vec![vec![Kind::Local, Kind::Sink]], 1, 1500);
    write(&folder.join("long.html"), &long, &Options::default())?;

    let many = Maps::new(grid(32, 32), 1, 40);
    write(&folder.join("many.html"), &many, &Options::default())?;

    let report = judge(&maps, None, &Config::default())?;
    std::fs::write(folder.join("alone.html"), report_html(&report, None, &Options::default()))?;
    Ok(())
}

fn write(path: &Path, maps: &Maps, options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let report = judge(maps, None, &Config::default())?;
    let page = report_html(&report, Some(maps), options);
    println!("{}: {} bytes", path.display(), page.len());
    Ok(std::fs::write(path, page)?)
}
