//! Writes one figure of every kind as SVG, PNG and PDF.
//!
//! `cargo run -p attractor-render --features export --example gallery -- DIR`

#[path = "../tests/common/gallery.rs"]
mod gallery;

use std::path::PathBuf;
use std::process::ExitCode;

use attractor_render::canvas::file;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: gallery DIR");
        return ExitCode::from(2);
    };
    match write(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("gallery: {}: {e}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(folder)?;
    for (name, svg) in gallery::all() {
        std::fs::write(folder.join(format!("{name}.png")), file::png(&svg, 2.0)?)?;
        std::fs::write(folder.join(format!("{name}.pdf")), file::pdf(&svg)?)?;
        std::fs::write(folder.join(format!("{name}.svg")), svg)?;
        println!("{name}");
    }
    Ok(())
}
