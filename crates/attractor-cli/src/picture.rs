//! Pictures as files: the ending says how.

use std::path::Path;

use crate::error::Outcome;
use crate::files::write;
use crate::output;

/// True if the file's ending is one of a picture: svg, png or pdf.
pub fn is_picture(ending: &str) -> bool {
    matches!(ending, "svg" | "png" | "pdf")
}

/// Draws and writes a figure where one was asked for; a name that cannot be one is refused before it is drawn. `draw` is
/// given whether it may move: an .svg does.
pub fn draw(output: Option<&Path>, draw: impl FnOnce(bool) -> Outcome<String>) -> Outcome {
    let Some(path) = output else { return Ok(()) };
    let ending = checked(path)?;
    save(path, &ending, &draw(ending == "svg")?)
}

/// The ending of a picture's name.
pub fn checked(path: &Path) -> Outcome<String> {
    output::ending(path, &["svg", "png", "pdf"])
}

/// Writes a figure as the file's ending says.
pub fn save(path: &Path, ending: &str, svg: &str) -> Outcome {
    match ending {
        "svg" => write(path, svg.as_bytes()),
        _ => write(path, &drawn(path, ending, svg)?),
    }
}

#[cfg(feature = "figures")]
fn drawn(path: &Path, ending: &str, svg: &str) -> Outcome<Vec<u8>> {
    /// Pixels of a PNG for a CSS pixel: sharp on a dense screen.
    const SCALE: f64 = 2.0;
    let lacks = attractor_render::canvas::file::missing(svg)?;
    if !lacks.is_empty() {
        let some: String = lacks.iter().take(12).map(String::as_str).collect::<Vec<_>>().join(" ");
        anstream::eprintln!(
            "{}: the font of pictures lacks {} and shows boxes for them ({some}); an .svg is drawn with the fonts of \
             whoever opens it",
            path.display(),
            attractor_render::canvas::numbers::counted(lacks.len(), "character")
        );
    }
    Ok(match ending {
        "pdf" => attractor_render::canvas::file::pdf(svg)?,
        _ => attractor_render::canvas::file::png(svg, SCALE)?,
    })
}

#[cfg(not(feature = "figures"))]
fn drawn(path: &Path, ending: &str, _: &str) -> Outcome<Vec<u8>> {
    Err(Error::usage(format!(
        "{}: this program was built without the feature \"figures\", which draws .{ending}; name a .svg, or build with \
         --features figures",
        path.display()
    )))
}
