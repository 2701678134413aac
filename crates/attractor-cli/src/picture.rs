//! Pictures as files: the ending says how.

use std::path::Path;

use crate::console::write;
use crate::error::{Failure, Outcome};

impl From<attractor_render::Error> for Failure {
    fn from(error: attractor_render::Error) -> Self {
        match error.is_source() {
            true => Self::unreadable(error.to_string()),
            false => Self::usage(error.to_string()),
        }
    }
}

/// True if the file's ending is one of a picture: svg, png or pdf.
pub fn is_picture(ending: &str) -> bool {
    matches!(ending, "svg" | "png" | "pdf")
}

/// Writes a figure as the file's ending says.
pub fn save(path: &Path, ending: &str, svg: &str) -> Outcome {
    match ending {
        "svg" => write(path, svg.as_bytes()),
        _ => write(path, &drawn(path, ending, svg)?),
    }
}

#[cfg(feature = "figures")]
fn drawn(_: &Path, ending: &str, svg: &str) -> Outcome<Vec<u8>> {
    /// Pixels of a PNG for a CSS pixel: sharp on a dense screen.
    const SCALE: f64 = 2.0;
    Ok(match ending {
        "pdf" => attractor_render::file::pdf(svg)?,
        _ => attractor_render::file::png(svg, SCALE)?,
    })
}

#[cfg(not(feature = "figures"))]
fn drawn(path: &Path, ending: &str, _: &str) -> Outcome<Vec<u8>> {
    Err(Failure::usage(format!(
        "{}: this program was built without the feature \"figures\", which draws .{ending}; name a .svg, or build with \
         --features figures",
        path.display()
    )))
}
