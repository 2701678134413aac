//! Pictures as files: the ending says how.

use std::path::Path;

use attractor_render::canvas::look::{self, Width};
use clap::Args;

use crate::args::same;
use crate::error::Outcome;
use crate::files::{PictureFile, ending, write};

/// Endings of pictures.
pub const PICTURES: [&str; 3] = ["svg", "png", "pdf"];
/// Options of pictures, and the endings for which they do something.
pub const OPTIONS: [(&str, &[&str]); 4] =
    [("no_title", &PICTURES), ("width", &PICTURES), ("dpi", &["png"]), ("colours", &PICTURES)];

/// How a picture is drawn.
#[derive(Debug, Clone, Default, Args)]
pub struct Look {
    /// Leave out the title and the notes below it, for a caption to say
    #[arg(long, help_heading = "Pictures")]
    pub no_title: bool,
    /// Width on paper, to which the whole is scaled: 85mm, 3.5in, 480px
    #[arg(long, help_heading = "Pictures")]
    pub width: Option<Width>,
    /// Pixels of a PNG per inch [default: 192]
    #[arg(long, value_parser = clap::value_parser!(u32).range(16..=4800), help_heading = "Pictures")]
    pub dpi: Option<u32>,
}

/// The figure of a command that prints what it found.
#[derive(Debug, Clone, Args)]
pub struct Figure {
    /// Also save a figure: .svg, .png or .pdf
    #[arg(long, short)]
    pub output: Option<PictureFile>,
    #[command(flatten)]
    pub look: Look,
}

impl Figure {
    /// Draws and writes it where one was asked for. `draw` is given whether it may move: an .svg does.
    pub fn draw(&self, draw: impl FnOnce(bool) -> Outcome<String>) -> Outcome {
        let Some(path) = &self.output else { return Ok(()) };
        let ending = ending(path);
        self.look.save(path, &ending, &draw(ending == "svg")?)
    }
}

/// True if the file's ending is one of a picture: svg, png or pdf.
pub fn is_picture(ending: &str) -> bool {
    PICTURES.contains(&ending)
}

impl Look {
    /// Writes a figure as the file's ending says.
    pub fn save(&self, path: &Path, ending: &str, svg: &str) -> Outcome {
        let look = same!(self => look::Look { no_title, width, dpi });
        let svg = look.apply(svg)?;
        match ending {
            "svg" => write(path, svg.as_bytes()),
            _ => write(path, &drawn(path, ending, &svg, look.pixels())?),
        }
    }
}

#[cfg(feature = "figures")]
fn drawn(path: &Path, ending: &str, svg: &str, pixels: f64) -> Outcome<Vec<u8>> {
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
        _ => attractor_render::canvas::file::png(svg, pixels)?,
    })
}

#[cfg(not(feature = "figures"))]
fn drawn(path: &Path, ending: &str, _: &str, _: f64) -> Outcome<Vec<u8>> {
    Err(attractor_session::Error::usage(format!(
        "{}: this program was built without the feature \"figures\", which draws .{ending}; name a .svg, or build with \
         --features figures",
        path.display()
    )))
}
