//! `attractor memory landscape`: energy as a landscape, in one dimension and in two.

use std::path::PathBuf;

use attractor::energy::landscape::{Polynomial, Stationary, classical_path, grid, modern_path, quadratic};
use attractor::energy::{Energy, Modern, Separator};
use attractor::pattern::RealPatterns;
use attractor_render::canvas::axis::Side;
use attractor_render::canvas::colour::ColourMap;
use attractor_render::canvas::numbers::number;
use attractor_render::figures::contour::{Contour, Field, Trajectory};
use attractor_render::figures::panels::beside;
use attractor_render::figures::rolling::{Ball, Level, Rest, Rolling};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::args::Common;
use crate::console::{counted, print};
use crate::error::Outcome;
use crate::picture;
use attractor::Error;

/// Which landscape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Draw {
    /// A polynomial in one dimension, with balls that roll; an .svg moves
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
    /// Coefficients of the energy in one dimension, lowest power first, with commas; the default is 3 x - 2 x^2 - x^3 + 0.5 x^4
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, default_values_t = [0.0, 3.0, -2.0, -1.0, 0.5])]
    pub polynomial: Vec<f64>,
    /// Where balls start, with commas; the default is one on each side of the peak
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, default_values_t = [1.0, 0.2])]
    pub start: Vec<f64>,
    /// How far a ball rolls a step, for each unit of slope
    #[arg(long, default_value_t = 0.02)]
    pub rate: f64,
    /// Steps at most
    #[arg(long, default_value_t = 1000)]
    pub steps: usize,
    /// Patterns of the landscapes in two dimensions
    #[arg(long, value_name = "X,Y;X,Y...", allow_hyphen_values = true, default_value = "1,1;-1,1;1,-1")]
    pub stored: String,
    /// Where retrievals start
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
    /// Step size of a modern retrieval: every one between 0 and 2 goes downhill; short ones draw smooth paths
    #[arg(long, default_value_t = 0.1)]
    pub damping: f64,
    /// Also draw it: .svg, .png or .pdf
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Steps of a path at most: what a picture holds.
const MOST_STEPS: usize = 50_000;
/// Balls, patterns or retrievals at most: what a legend holds.
const MOST: usize = 8;
/// A ball that moves less in a step rests.
const RESTS: f64 = 1e-9;
/// A ball this near to a level point is there.
const THERE: f64 = 1e-3;

/// A ball and what became of it.
struct Rolled {
    path: Vec<f64>,
    /// True if it lies still at the end.
    rests: bool,
    /// The level point at which it ended, by number.
    at: Option<usize>,
}

/// The level points of a polynomial and the balls on it.
struct Curve {
    coefficients: Vec<f64>,
    energy: Polynomial,
    range: (f64, f64),
    levels: Vec<(f64, Stationary)>,
    balls: Vec<Rolled>,
}

impl Curve {
    fn new(args: &Landscape) -> Outcome<Self> {
        if args.polynomial.len() > 33 || args.start.is_empty() || args.start.len() > MOST {
            return Err(Error::usage(format!(
                "{} coefficients, {} balls: give 1 to 33 coefficients and 1 to {MOST} starts",
                args.polynomial.len(),
                args.start.len()
            )));
        }
        let energy = Polynomial::new(args.polynomial.clone())?;
        let range = energy.span(&args.start)?;
        let levels = energy.stationary(range.0, range.1)?;
        let balls = args
            .start
            .iter()
            .map(|&start| {
                let mut path = energy.roll(start, args.rate, args.steps)?;
                let slope = energy.derivative();
                let rests = |x: &f64| (args.rate * slope.energy(*x)).abs() <= RESTS;
                let ends = |x: &f64| rests(x) || !(range.0..=range.1).contains(x);
                if let Some(end) = path.iter().position(ends) {
                    path.truncate(end + 1);
                }
                if let Some(step) = path.windows(2).position(|x| !(energy.energy(x[1]) <= energy.energy(x[0]) + 1e-9)) {
                    return Err(Error::usage(format!(
                        "--rate {}: from {} the ball is thrown uphill in step {}; give a smaller rate",
                        args.rate,
                        number(start),
                        step + 1
                    )));
                }
                let end = path[path.len() - 1];
                let at = levels.iter().position(|level| (level.0 - end).abs() < THERE);
                Ok(Rolled { rests: rests(&end), path, at })
            })
            .collect::<Outcome<Vec<_>>>()?;
        Ok(Self { coefficients: args.polynomial.clone(), energy, range, levels, balls })
    }

    /// Energy of the deepest valley.
    fn lowest(&self) -> Option<f64> {
        let valleys = self.levels.iter().filter(|level| level.1 == Stationary::Stable);
        valleys.map(|level| self.energy.energy(level.0)).min_by(f64::total_cmp)
    }

    /// True of a valley above another one.
    fn is_trap(&self, at: usize) -> bool {
        let (place, kind) = self.levels[at];
        let energy = self.energy.energy(place);
        kind == Stationary::Stable && self.lowest().is_some_and(|lowest| energy > lowest + 1e-9 * (1.0 + lowest.abs()))
    }

    /// What a level point is, in words.
    fn words(&self, at: usize) -> &'static str {
        let valleys = || (0..self.levels.len()).filter(|&at| self.levels[at].1 == Stationary::Stable);
        match self.levels[at].1 {
            Stationary::Stable if self.is_trap(at) => "stable: a trap, a higher valley",
            Stationary::Stable if valleys().count() == 1 => "stable: the valley",
            Stationary::Stable if valleys().filter(|&at| !self.is_trap(at)).count() > 1 => "stable: no valley is lower",
            Stationary::Stable => "stable: the lowest valley",
            Stationary::Unstable => "unstable: a peak",
            Stationary::Saddle => "saddle: level on a slope",
        }
    }

    fn fate(&self, ball: &Rolled) -> String {
        let end = plain(ball.path[ball.path.len() - 1]);
        let took = counted(ball.path.len() - 1, "step");
        let kind = ball.at.map(|at| self.levels[at].1);
        match (ball.rests, kind) {
            (true, None) => format!("stays at x = {end:.4}: it is level there"),
            (true, Some(Stationary::Unstable)) => format!("stays on the peak at x = {end:.4}: nothing pushes it"),
            (true, Some(Stationary::Saddle)) => format!("comes to rest on the saddle at x = {end:.4} in {took}"),
            (true, Some(Stationary::Stable)) if ball.at.is_some_and(|at| self.is_trap(at)) => {
                format!("rolls to x = {end:.4} in {took} and is trapped: a lower valley lies elsewhere")
            }
            (true, Some(Stationary::Stable)) => format!("rolls to x = {end:.4} in {took}: no valley is lower"),
            (false, _) if !(self.range.0..=self.range.1).contains(&end) => {
                format!("rolls out of the picture in {took}: nothing stops it")
            }
            (false, _) => format!("is at x = {end:.4} after {took} and still rolls: raise --steps"),
        }
    }

    fn figure(&self, ending: &str) -> Outcome<String> {
        const SAMPLES: usize = 400;
        let (low, high) = self.range;
        let x = |at: usize| low + (high - low) * at as f64 / SAMPLES as f64;
        let curve: Vec<(f64, f64)> = (0..=SAMPLES).map(|at| (x(at), self.energy.energy(x(at)))).collect();
        let (bottom, ceiling) =
            curve.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |r, p| (r.0.min(p.1), r.1.max(p.1)));
        // Room under the valleys for what is said there.
        let room = 0.22 * (ceiling - bottom);
        let y = match room > 0.0 && !self.levels.is_empty() {
            true => Side::new("energy E").between(bottom - room, ceiling + 0.2 * room),
            false => Side::new("energy E"),
        };
        let said: Vec<[String; 2]> = (0..self.levels.len())
            .map(|at| {
                let (place, energy) = (plain(self.levels[at].0), plain(self.energy.energy(self.levels[at].0)));
                [self.words(at).to_string(), format!("x = {place:.2}, E = {energy:.2}").replace('-', "−")]
            })
            .collect();
        let lines: Vec<[&str; 2]> = said.iter().map(|said| [said[0].as_str(), said[1].as_str()]).collect();
        let rest = |kind| match kind {
            Stationary::Stable => Rest::Stable,
            Stationary::Unstable => Rest::Unstable,
            Stationary::Saddle => Rest::Saddle,
        };
        let levels: Vec<Level<'_>> = self
            .levels
            .iter()
            .zip(&lines)
            .map(|(&(place, kind), said)| Level { place: (place, self.energy.energy(place)), rest: rest(kind), said })
            .collect();
        let names: Vec<String> =
            self.balls.iter().map(|ball| format!("ball from x = {}", number(ball.path[0]))).collect();
        let paths: Vec<Vec<(f64, f64)>> =
            self.balls.iter().map(|ball| ball.path.iter().map(|&x| (x, self.energy.energy(x))).collect()).collect();
        let balls: Vec<Ball<'_>> = names.iter().zip(&paths).map(|(name, path)| Ball { name, path }).collect();
        let mut notes = vec![format!("E = {}", formula(&self.coefficients))];
        notes.push("a ring marks where a ball starts, the ball where it rests".to_string());
        let trapped = self.balls.iter().any(|ball| ball.rests && ball.at.is_some_and(|at| self.is_trap(at)));
        let title = match trapped {
            true => "A ball rolls to the nearest valley, not to the lowest",
            false => "A ball rolls downhill",
        };
        let x = Side::new("state x").between(low, high);
        Ok(Rolling { title, notes, x, y, curve: &curve, levels: &levels, balls: &balls, moves: ending == "svg" }
            .svg()?)
    }
}

/// What rounds to zero is zero, without a sign.
fn plain(value: f64) -> f64 {
    if value.abs() < 5e-5 { 0.0 } else { value }
}

/// A polynomial as people write it.
fn formula(coefficients: &[f64]) -> String {
    let mut out = String::new();
    for (power, &c) in coefficients.iter().enumerate().filter(|(_, c)| **c != 0.0) {
        let sign = match (out.is_empty(), c < 0.0) {
            (true, false) => "",
            (true, true) => "−",
            (false, false) => " + ",
            (false, true) => " − ",
        };
        let size = if c.abs() == 1.0 && power > 0 { String::new() } else { format!("{} ", number(c.abs())) };
        let x = match power {
            0 => String::new(),
            1 => "x".to_string(),
            _ => format!("x{}", attractor_render::canvas::numbers::superscript(power as i32)),
        };
        out += &format!("{sign}{}", format!("{size}{x}").trim());
    }
    if out.is_empty() { "0".to_string() } else { out }
}

/// "x,y;x,y" as places.
fn places(option: &str, text: &str) -> Outcome<Vec<[f64; 2]>> {
    let wrong = || Error::usage(format!("--{option} {text}: give places x,y;x,y, for example 1,1;-1,1"));
    let place = |place: &str| {
        let (x, y) = place.split_once(',')?;
        let place = [x.trim().parse::<f64>().ok()?, y.trim().parse().ok()?];
        place.iter().all(|z| z.abs() <= 1e6).then_some(place)
    };
    let all = text.split(';').map(place).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
    match all.len() {
        1..=MOST => Ok(all),
        n => Err(Error::usage(format!("--{option}: {n} places; give 1 to {MOST}"))),
    }
}

/// The memories of a few patterns in two dimensions, and retrievals over them.
struct Plane {
    patterns: RealPatterns,
    modern: Modern,
    starts: Vec<[f64; 2]>,
    /// Of the modern memory, and of the classical one if it was asked for.
    paths: [Vec<Vec<Vec<f64>>>; 2],
    reach: f64,
}

impl Plane {
    fn new(args: &Landscape) -> Outcome<Self> {
        let (stored, starts) = (places("stored", &args.stored)?, places("from", &args.from)?);
        let patterns = RealPatterns::new(stored.len(), 2, stored.concat())?;
        let modern = Modern::new(patterns.clone(), args.beta, Separator::Softmax)?;
        let classical = args.draw == Draw::ModernAgainstClassical;
        if classical && let Some(at) = stored.iter().position(|x| x.iter().any(|z| z.abs() != 1.0)) {
            return Err(Error::usage(format!(
                "--stored: pattern {at} is {},{}; a classical memory stores +1 and -1: give corners, or --draw contours",
                stored[at][0], stored[at][1]
            )));
        }
        if classical && let Some(at) = starts.iter().position(|x| x.iter().any(|z| z.abs() > 1.0)) {
            return Err(Error::usage(format!(
                "--from: start {at} is {},{}; a classical state stays from -1 to 1",
                starts[at][0], starts[at][1]
            )));
        }
        let modern_paths = starts
            .iter()
            .map(|start| Ok(modern_path(&modern, start, args.damping, RESTS, args.steps)?))
            .collect::<Outcome<Vec<_>>>()?;
        let classical_paths = match classical {
            true => starts.iter().map(|start| classical_path(&patterns, start)).collect(),
            false => Vec::new(),
        };
        let farthest = stored.iter().chain(&starts).flatten().fold(0.0, |most: f64, z| most.max(z.abs()));
        let reach = if farthest > 0.0 { 1.35 * farthest } else { 1.0 };
        Ok(Self { patterns, modern, starts, paths: [modern_paths, classical_paths], reach })
    }

    /// Which stored pattern a path ends at, of the classical one also as its mirror.
    fn fate(&self, path: &[Vec<f64>]) -> String {
        let end = &path[path.len() - 1];
        let near = |sign: f64| {
            let off = |x: &[f64]| (x[0] - sign * end[0]).hypot(x[1] - sign * end[1]);
            let nearest = (0..self.patterns.count())
                .min_by(|&a, &b| off(self.patterns.pattern(a)).total_cmp(&off(self.patterns.pattern(b))))?;
            (off(self.patterns.pattern(nearest)) < 0.15 * self.reach).then_some(nearest)
        };
        match (near(1.0), near(-1.0)) {
            (Some(pattern), _) => format!("pattern {pattern}"),
            (None, Some(pattern)) => format!("mirror of pattern {pattern}"),
            (None, None) => "between the patterns".to_string(),
        }
    }

    fn contour(&self, kind: usize, title: &str, notes: Vec<String>) -> Outcome<String> {
        const SIDE: usize = 101;
        let energies = match kind {
            0 => grid(-self.reach, self.reach, SIDE, |z| self.modern.energy(z))?,
            _ => grid(-self.reach, self.reach, SIDE, |z| quadratic(&self.patterns, z))?,
        };
        let paths: Vec<Trajectory> = self.paths[kind]
            .iter()
            .zip(&self.starts)
            .map(|(path, from)| Trajectory {
                name: format!("from {}, {}", number(from[0]), number(from[1])),
                points: path.iter().map(|z| (z[0], z[1])).collect(),
            })
            .collect();
        let names: Vec<String> = (0..self.patterns.count()).map(|at| format!("pattern {at}")).collect();
        let marks: Vec<(f64, f64, &str)> =
            self.patterns.patterns().zip(&names).map(|(x, name)| (x[0], x[1], name.as_str())).collect();
        Ok(Contour {
            title,
            notes,
            field: Field { columns: SIDE, rows: SIDE, values: &energies },
            x: Side::new("feature 0").between(-self.reach, self.reach),
            y: Side::new("feature 1").between(-self.reach, self.reach),
            unit: "energy",
            colours: ColourMap::Viridis,
            bands: 14,
            paths: &paths,
            marks: &marks,
        }
        .svg()?)
    }

    fn figure(&self, args: &Landscape) -> Outcome<String> {
        let marks = "a ring marks a start, a dot where it ended";
        if args.draw == Draw::Contours {
            let notes =
                vec![format!("softmax, beta {}, {}; {marks}", args.beta, counted(self.patterns.count(), "pattern"))];
            return self.contour(0, "A valley for each pattern", notes);
        }
        let modern =
            self.contour(0, "Modern", vec![format!("log-sum-exp, beta {}: a valley at each pattern", args.beta)])?;
        let quadratic = vec!["quadratic: a corner's mirror is as low; unit by unit".to_string()];
        let classical = self.contour(1, "Classical, its diagonal kept", quadratic)?;
        let notes = [format!("the same {} and starts; {marks}", counted(self.patterns.count(), "pattern"))];
        Ok(beside("Two memories of the same patterns", &notes, &[classical, modern])?)
    }
}

fn curve_json(curve: &Curve) -> Value {
    let level = |&(place, kind): &(f64, Stationary)| {
        let kind = match kind {
            Stationary::Stable => "stable",
            Stationary::Unstable => "unstable",
            Stationary::Saddle => "saddle",
        };
        json!({ "x": place, "energy": curve.energy.energy(place), "kind": kind })
    };
    let ball = |ball: &Rolled| {
        let end = ball.path[ball.path.len() - 1];
        json!({
            "start": ball.path[0], "end": end, "energy": curve.energy.energy(end), "steps": ball.path.len() - 1,
            "level": ball.at, "trapped": ball.rests && ball.at.is_some_and(|at| curve.is_trap(at)), "fate": curve.fate(ball),
        })
    };
    json!({
        "landscape": "polynomial", "coefficients": curve.coefficients, "from": curve.range.0, "to": curve.range.1,
        "stationary": curve.levels.iter().map(level).collect::<Vec<_>>(),
        "balls": curve.balls.iter().map(ball).collect::<Vec<_>>(),
    })
}

fn curve_text(curve: &Curve) -> String {
    let (low, high) = curve.range;
    let mut out = format!("E = {}, from {low:.2} to {high:.2}\n\n", formula(&curve.coefficients));
    for at in 0..curve.levels.len() {
        let place = curve.levels[at].0;
        let energy = plain(curve.energy.energy(place));
        out += &format!("x = {:>8.4}  E = {energy:>9.4}  {}\n", plain(place), curve.words(at));
    }
    if curve.levels.is_empty() {
        out += "no level point: nowhere to rest\n";
    }
    out += "\n";
    for ball in &curve.balls {
        out += &format!("a ball from x = {} {}\n", number(ball.path[0]), curve.fate(ball));
    }
    out
}

/// The memories that were asked for, with their paths.
fn kinds(plane: &Plane) -> impl Iterator<Item = (&'static str, &Vec<Vec<Vec<f64>>>)> {
    ["modern", "classical"].into_iter().zip(&plane.paths).filter(|(_, paths)| !paths.is_empty())
}

fn plane_json(plane: &Plane) -> Value {
    let path = |path: &Vec<Vec<f64>>| json!({ "start": path[0], "end": path[path.len() - 1], "steps": path.len() - 1, "fate": plane.fate(path) });
    let paths = |(name, paths): (&'static str, &Vec<Vec<Vec<f64>>>)| {
        (name.to_string(), paths.iter().map(path).collect::<Value>())
    };
    json!({
        "landscape": "patterns", "patterns": plane.patterns.patterns().collect::<Vec<_>>(), "beta": plane.modern.beta(),
        "retrievals": kinds(plane).map(paths).collect::<serde_json::Map<_, _>>(),
    })
}

fn plane_text(plane: &Plane) -> String {
    let mut out =
        format!("{} in two dimensions, beta {}\n", counted(plane.patterns.count(), "pattern"), plane.modern.beta());
    for (at, x) in plane.patterns.patterns().enumerate() {
        out += &format!("pattern {at}: {}, {}; modern energy {:.4}\n", x[0], x[1], plane.modern.energy(x));
    }
    for (name, paths) in kinds(plane) {
        out += &format!("\n{name} memory\n");
        for path in paths {
            let (from, to) = (&path[0], &path[path.len() - 1]);
            let took = counted(path.len() - 1, if name == "modern" { "step" } else { "change" });
            out += &format!(
                "from {:>5.2}, {:>5.2} to {:>7.4}, {:>7.4} in {took}: {}\n",
                from[0],
                from[1],
                to[0],
                to[1],
                plane.fate(path)
            );
        }
    }
    out
}

/// Runs the command.
pub fn run(args: &Landscape, common: &Common) -> Outcome {
    if args.demo {
        let (polynomial, start) = (vec![0.0, 0.0, -2.0, 0.0, 1.0], vec![0.3, 0.0, 0.001]);
        return run(&Landscape { demo: false, polynomial, start, ..args.clone() }, common);
    }
    if args.steps > MOST_STEPS {
        return Err(Error::usage(format!("--steps {}: at most {MOST_STEPS}", args.steps)));
    }
    let (document, text) = match args.draw {
        Draw::Curve => {
            common.refuse_unused(&["stored", "from", "beta", "damping"], "--draw curve, one dimension")?;
            let curve = Curve::new(args)?;
            if let Some(path) = &args.output {
                picture::save_checked(path, |ending| curve.figure(ending))?;
            }
            (curve_json(&curve), curve_text(&curve))
        }
        Draw::Contours | Draw::ModernAgainstClassical => {
            common.refuse_unused(&["polynomial", "start", "rate"], "patterns in two dimensions")?;
            let plane = Plane::new(args)?;
            if let Some(path) = &args.output {
                picture::save_checked(path, |_| plane.figure(args))?;
            }
            (plane_json(&plane), plane_text(&plane))
        }
    };
    print(&if common.json { format!("{document}\n") } else { text });
    Ok(())
}
