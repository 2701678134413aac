//! Writes a report and single figures of heads that are known by construction.
//!
//! `cargo run -p attractor-render --example sample_report -- FOLDER [TOKENS] [INPUTS] [LAYERS HEADS]`

use std::path::PathBuf;

use attractor_judge::{Config, judge};
use attractor_render::canvas::scale::Scale;
use attractor_render::figures::heatmap::{Style, heatmap};
use attractor_render::maps::map;
use attractor_render::{Options, report_html};

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Kind, Maps};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| ".".into()));
    let length = arguments.next().map_or(Ok(64), |n| n.parse())?;
    let inputs = arguments.next().map_or(Ok(6), |n| n.parse())?;
    let layers = arguments.next().map_or(Ok(2), |n| n.parse())?;
    let heads = arguments.next().map_or(Ok(4), |n| n.parse::<usize>())?;
    let kinds = [
        Kind::Previous,
        Kind::Uniform,
        Kind::Sink,
        Kind::Local,
        Kind::Induction,
        Kind::Noise,
        Kind::Duplicate,
        Kind::Sink,
    ];
    let layout = (0..layers).map(|l| (0..heads).map(|h| kinds[(l * heads + h) % kinds.len()]).collect()).collect();
    let mut maps = Maps::new(layout, inputs, length);
    // Tokens as they may come from anywhere.
    let hostile =
        ["</script><img src=x onerror=alert(1)>", "\u{202E}drow", "שלום", "日本語", "a\u{0}\u{200B}b", "&lt;"];
    for (token, text) in maps.tokens[0].iter_mut().skip(5).step_by(4).zip(hostile) {
        token.text = text.to_string();
    }
    let report = judge(&maps, None, &Config::default())?;
    std::fs::create_dir_all(&folder)?;
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        println!("{}: {} bytes", path.display(), text.len());
        std::fs::write(path, text)
    };
    write("report.html", &report_html(&report, Some(&maps), &Options::default()))?;
    // Attention that is not what it claims to be.
    let broken = Maps::new(vec![vec![Kind::Uniform, Kind::Leak], vec![Kind::Uniform, Kind::Nan]], inputs, length);
    let report = judge(&broken, None, &Config::default())?;
    write("broken.html", &report_html(&report, Some(&broken), &Options::default()))?;
    let style = Style { scale: Scale::log(1e-4, 1.0)?, ..Style::default() };
    for (layer, head) in [(0, 0), (1, 0)] {
        if let Some(head_map) = map::read(&maps, layer, head, 0, map::SIDE)? {
            let tokens: Vec<&str> = maps.tokens[0].iter().map(|t| t.text.as_str()).collect();
            let name = format!("L{layer}H{head}");
            write(&format!("{name}.svg"), &heatmap(&head_map.map, &name, &tokens, &style)?)?;
        }
    }
    Ok(())
}
