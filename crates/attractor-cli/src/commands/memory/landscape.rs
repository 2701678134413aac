//! `attractor memory landscape`: energy as a landscape, in one dimension and in two.

use attractor_render::memories::landscape as figures;
use attractor_session::experiment::landscape::{self, Curve, CurveOptions, Plane, PlaneOptions};
use attractor_session::{Context, Error, Hint};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{Answer, document};
use crate::args::{Common, refuse_unused, same};
use crate::error::Outcome;
use crate::picture::Figure;

/// Which landscape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Draw {
    /// A polynomial in one dimension, with rolling balls; an .svg is animated
    Curve,
    /// The modern memory of a few patterns in two dimensions, with retrievals
    Contours,
    /// The modern memory beside the classical one of the same patterns
    ModernAgainstClassical,
}

#[derive(Debug, Clone, Args)]
pub struct Landscape {
    /// The simplest case: two equal valleys, x^4 - 2 x^2, a ball that stays on the peak and one that was pushed; in two
    /// dimensions three corners of a square
    #[arg(long, conflicts_with_all = ["polynomial", "start", "stored", "from"])]
    pub demo: bool,
    /// Which landscape is explored and drawn
    #[arg(long, value_enum, default_value_t = Draw::Curve)]
    pub draw: Draw,
    /// Coefficients of the energy in one dimension, lowest power first, comma-separated; the default is 3 x - 2 x^2 - x^3 + 0.5 x^4
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, default_value = "0,3,-2,-1,0.5")]
    pub polynomial: Vec<f64>,
    /// Starting points of the balls, comma-separated; by default one on each side of the peak
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, default_value = "1,0.2")]
    pub start: Vec<f64>,
    /// Step size of gradient descent: distance rolled per unit of slope
    #[arg(long, default_value_t = 0.02)]
    pub rate: f64,
    /// Steps at most
    #[arg(long, default_value_t = 1000)]
    pub steps: usize,
    /// Stored patterns of the two-dimensional landscapes
    #[arg(long, value_name = "X,Y;X,Y...", allow_hyphen_values = true, default_value = "1,1;-1,1;1,-1")]
    pub stored: String,
    /// Starting points of the retrievals
    #[arg(
        long,
        value_name = "X,Y;X,Y...",
        allow_hyphen_values = true,
        default_value = "0.3,0.6;-0.35,0.15;0.5,-0.3;-0.5,-0.8"
    )]
    pub from: String,
    /// Inverse temperature of the modern memory
    #[arg(long, default_value_t = 3.0)]
    pub beta: f64,
    /// Step size of a modern retrieval: any value between 0 and 2 lowers the energy; small ones draw smooth paths
    #[arg(long, default_value_t = 0.1)]
    pub damping: f64,
    #[command(flatten)]
    pub figure: Figure,
}

impl Landscape {
    fn curve(&self) -> CurveOptions {
        match self.demo {
            true => same!(self => CurveOptions { rate, steps }, ..CurveOptions::two_valleys()),
            false => same!(self => CurveOptions { polynomial, start, rate, steps }),
        }
    }

    fn plane(&self) -> Outcome<PlaneOptions> {
        let (stored, from) = (places("stored", &self.stored)?, places("from", &self.from)?);
        let classical = self.draw == Draw::ModernAgainstClassical;
        Ok(same!(self => PlaneOptions { beta, damping, steps }, stored, from, classical))
    }
}

/// "x,y;x,y" as places.
fn places(option: &'static str, text: &str) -> Outcome<Vec<[f64; 2]>> {
    let place = |place: &str| {
        let (x, y) = place.split_once(',')?;
        let place = [x.trim().parse::<f64>().ok()?, y.trim().parse().ok()?];
        place.iter().all(|z| z.abs() <= 1e6).then_some(place)
    };
    let all = text.split(';').map(place).collect::<Option<Vec<_>>>();
    all.ok_or_else(|| Error::option(option, text, "expected points x,y;x,y, for example 1,1;-1,1"))
}

/// The picture of the modern memory alone has no classical one.
fn reworded(error: Error) -> Error {
    let alone = error.hint() == Some(&Hint::Omit("classical"));
    if alone { error.hinted(Hint::give("draw", "contours")) } else { error }
}

fn curve_json(curve: &Curve) -> Outcome<Value> {
    let mut document = document(curve, &[("landscape", "polynomial")])?;
    for (at, ball) in curve.balls.iter().enumerate() {
        document["balls"][at]["fate"] = figures::fate(ball).into();
    }
    Ok(document)
}

fn plane_json(plane: &Plane) -> Outcome<Value> {
    let mut document = document(plane, &[("landscape", "patterns")])?;
    for (name, paths) in figures::kinds(plane) {
        for (at, path) in paths.iter().enumerate() {
            document["retrievals"][name][at]["fate"] = figures::place(path).into();
        }
    }
    Ok(document)
}

/// Runs the command: what it prints.
pub fn run(args: &Landscape, common: &Common, context: &Context<'_>) -> Outcome<Answer> {
    Ok(match args.draw {
        Draw::Curve => {
            refuse_unused!(common, args, [stored, from, beta, damping], "--draw curve, one dimension")?;
            let curve = landscape::curve(&args.curve(), context)?;
            args.figure.draw(|moves| figures::curve(&curve, moves))?;
            (curve_json(&curve)?, figures::curve_text(&curve))
        }
        Draw::Contours | Draw::ModernAgainstClassical => {
            refuse_unused!(common, args, [polynomial, start, rate], "patterns in two dimensions")?;
            let plane = landscape::plane(&args.plane()?, context).map_err(reworded)?;
            args.figure.draw(|_| figures::plane(&plane))?;
            (plane_json(&plane)?, figures::plane_text(&plane))
        }
    })
}
