//! Landscapes of energy: balls on a curve, retrievals over the plane.

use attractor::energy::landscape::Stationary;
use attractor::experiment::landscape::{self as experiment, Curve, End, Fate, Memory, Path, Plane, Standing};

use crate::Result;
use crate::canvas::axis::Side;
use crate::canvas::colour::ColourMap;
use crate::canvas::numbers::{counted, number, superscript};
use crate::figures::contour::{Contour, Field, Trajectory};
use crate::figures::panels::beside;
use crate::figures::rolling::{Ball, Level, Rest, Rolling};

/// What a stationary point is, in words.
pub fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::LocalMinimum => "stable: a local minimum",
        Standing::OnlyMinimum => "stable: the minimum",
        Standing::SharedMinimum => "stable: a global minimum",
        Standing::GlobalMinimum => "stable: the global minimum",
        Standing::Maximum => "unstable: a maximum",
        Standing::Saddle => "saddle: level on a slope",
    }
}

/// Where a ball ends, in words.
pub fn fate(ball: &experiment::Ball) -> String {
    let (end, took) = (plain(ball.end), counted(ball.steps, "step"));
    match ball.ended {
        Fate::Level => format!("stays at x = {end:.4}: the slope there is zero, or too small for this rate"),
        Fate::Balances => format!("stays at the maximum at x = {end:.4}: the slope is zero"),
        Fate::Saddle => format!("comes to rest at the saddle at x = {end:.4} in {took}"),
        Fate::LocalMinimum => {
            format!("converges to the local minimum at x = {end:.4} in {took}: a lower one lies elsewhere")
        }
        Fate::GlobalMinimum => format!("converges to a global minimum at x = {end:.4} in {took}"),
        Fate::Escapes => format!("leaves the plotted range in {took}: there is no minimum on that side"),
        Fate::Rolls => format!("has reached x = {end:.4} after {took} and is still moving: give it more steps"),
    }
}

/// A curve as text: its stationary points, and where each ball ends.
pub fn curve_text(curve: &Curve) -> String {
    let mut out = format!("E = {}, from {:.2} to {:.2}\n\n", formula(&curve.coefficients), curve.from, curve.to);
    for level in &curve.stationary {
        let (x, energy) = (plain(level.x), plain(level.energy));
        out += &format!("x = {x:>8.4}  E = {energy:>9.4}  {}\n", standing(level.standing));
    }
    if curve.stationary.is_empty() {
        out += if curve.is_flat() { "the same energy everywhere\n" } else { "no stationary point\n" };
    }
    out += "\n";
    for ball in &curve.balls {
        out += &format!("a ball from x = {} {}\n", number(ball.start), fate(ball));
    }
    out
}

/// The memories that were asked for, with their retrievals.
pub fn kinds(plane: &Plane) -> impl Iterator<Item = (&'static str, &Vec<Path>)> {
    let classical = plane.retrievals.classical.iter().map(|paths| ("classical", paths));
    [("modern", &plane.retrievals.modern)].into_iter().chain(classical)
}

/// Where a retrieval ends, in words.
pub fn place(path: &Path) -> String {
    match path.ended {
        End::Pattern(pattern) => format!("pattern {pattern}"),
        End::Mirror(pattern) => format!("mirror of pattern {pattern}"),
        End::Between => "between the patterns".to_string(),
    }
}

/// A plane as text: its patterns, and where each retrieval ends.
pub fn plane_text(plane: &Plane) -> String {
    let mut out = format!("{} in two dimensions, beta {}\n", counted(plane.patterns.len(), "pattern"), plane.beta);
    for (at, ([x, y], energy)) in plane.patterns.iter().zip(&plane.energies).enumerate() {
        out += &format!("pattern {at}: {x}, {y}; modern energy {energy:.4}\n");
    }
    for (name, paths) in kinds(plane) {
        out += &format!("\n{name} memory\n");
        for path in paths {
            let ([x, y], [to_x, to_y]) = (path.start, path.end);
            let took = counted(path.steps, if name == "modern" { "step" } else { "change" });
            out += &format!("from {x:>5.2}, {y:>5.2} to {to_x:>7.4}, {to_y:>7.4} in {took}: {}\n", place(path));
        }
    }
    out
}

/// A polynomial as people write it: "3 x − 2 x²"; coefficients lowest power first.
pub fn formula(coefficients: &[f64]) -> String {
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
            _ => format!("x{}", superscript(power as i32)),
        };
        out += &format!("{sign}{}", format!("{size}{x}").trim());
    }
    if out.is_empty() { "0".to_string() } else { out }
}

/// What rounds to zero is zero, without a sign.
pub fn plain(value: f64) -> f64 {
    if value.abs() < 5e-5 { 0.0 } else { value }
}

/// The curve with its stationary points and the balls on it; true: they move (SMIL, which only an SVG plays).
///
/// # Errors
/// As [`Rolling::svg`].
pub fn curve(found: &Curve, moves: bool) -> Result<String> {
    const SAMPLES: usize = 400;
    let (low, high) = (found.from, found.to);
    let energy = |x: f64| found.polynomial.energy(x);
    let x = |at: usize| low + (high - low) * at as f64 / SAMPLES as f64;
    let curve: Vec<(f64, f64)> = (0..=SAMPLES).map(|at| (x(at), energy(x(at)))).collect();
    let (bottom, ceiling) = curve.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |r, p| (r.0.min(p.1), r.1.max(p.1)));
    // Room under the minima for what is said there.
    let room = 0.22 * (ceiling - bottom);
    let y = match room > 0.0 && !found.stationary.is_empty() {
        true => Side::new("energy E").between(bottom - room, ceiling + 0.2 * room),
        false => Side::new("energy E"),
    };
    let said: Vec<[String; 2]> = found
        .stationary
        .iter()
        .map(|level| {
            let place = format!("x = {:.2}, E = {:.2}", plain(level.x), plain(level.energy)).replace('-', "−");
            [standing(level.standing).to_string(), place]
        })
        .collect();
    let lines: Vec<[&str; 2]> = said.iter().map(|said| [said[0].as_str(), said[1].as_str()]).collect();
    let rest = |kind| match kind {
        Stationary::Stable => Rest::Stable,
        Stationary::Unstable => Rest::Unstable,
        Stationary::Saddle => Rest::Saddle,
    };
    let levels: Vec<Level<'_>> = found
        .stationary
        .iter()
        .zip(&lines)
        .map(|(level, said)| Level { place: (level.x, level.energy), rest: rest(level.kind), said })
        .collect();
    let names: Vec<String> = found.balls.iter().map(|ball| format!("ball from x = {}", number(ball.start))).collect();
    let paths: Vec<Vec<(f64, f64)>> =
        found.balls.iter().map(|ball| ball.path.iter().map(|&x| (x, energy(x))).collect()).collect();
    let balls: Vec<Ball<'_>> = names.iter().zip(&paths).map(|(name, path)| Ball { name, path }).collect();
    let notes = vec![
        format!("E = {}", formula(&found.coefficients)),
        "a ring marks where a ball starts, the ball where it rests".to_string(),
    ];
    let title = match found.balls.iter().any(|ball| ball.ended == Fate::LocalMinimum) {
        true => "A ball rolls to the nearest valley, not to the lowest",
        false => "A ball rolls downhill",
    };
    let x = Side::new("state x").between(low, high);
    Rolling { title, notes, x, y, curve: &curve, levels: &levels, balls: &balls, moves }.svg()
}

fn contour(found: &Plane, memory: Memory, paths: &[Path], title: &str, notes: Vec<String>) -> Result<String> {
    const SIDE: usize = 101;
    let energies = found.energies(memory, SIDE)?;
    let paths: Vec<Trajectory> = paths
        .iter()
        .map(|path| Trajectory {
            name: format!("from {}, {}", number(path.start[0]), number(path.start[1])),
            points: path.path.iter().map(|z| (z[0], z[1])).collect(),
        })
        .collect();
    let names: Vec<String> = (0..found.patterns.len()).map(|at| format!("pattern {at}")).collect();
    let marks: Vec<(f64, f64, &str)> =
        found.patterns.iter().zip(&names).map(|(x, name)| (x[0], x[1], name.as_str())).collect();
    Contour {
        title,
        notes,
        field: Field { columns: SIDE, rows: SIDE, values: &energies },
        x: Side::new("feature 0").between(-found.reach, found.reach),
        y: Side::new("feature 1").between(-found.reach, found.reach),
        unit: "energy",
        colours: ColourMap::Viridis,
        bands: 14,
        paths: &paths,
        marks: &marks,
    }
    .svg()
}

/// The modern memory over the plane with its retrievals; beside it the classical one, if that was asked for.
///
/// # Errors
/// As [`Contour::svg`].
pub fn plane(found: &Plane) -> Result<String> {
    let marks = "a ring marks a start, a dot where it ended";
    let (beta, count) = (found.beta, counted(found.patterns.len(), "pattern"));
    let modern = &found.retrievals.modern;
    let Some(paths) = &found.retrievals.classical else {
        let notes = vec![format!("softmax, beta {beta}, {count}; {marks}")];
        return contour(found, Memory::Modern, modern, "A valley for each pattern", notes);
    };
    let notes = vec![format!("log-sum-exp, beta {beta}: a valley at each pattern")];
    let modern = contour(found, Memory::Modern, modern, "Modern", notes)?;
    let notes = vec!["quadratic: a corner's mirror is as low; unit by unit".to_string()];
    let classical = contour(found, Memory::Classical, paths, "Classical, its diagonal kept", notes)?;
    let notes = [format!("the same {count} and starts; {marks}")];
    beside("Two memories of the same patterns", &notes, &[classical, modern])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_written_as_people_do() {
        for (coefficients, said) in [
            (&[0.0, 3.0, -2.0, -1.0, 0.5][..], "3 x − 2 x² − x³ + 0.5 x⁴"),
            (&[-1.0, 1.0], "−1 + x"),
            (&[0.0, -1.0, 0.0], "−x"),
            (&[0.0, 0.0], "0"),
        ] {
            assert_eq!(formula(coefficients), said);
        }
        assert_eq!((plain(-1e-9), plain(-0.5)), (0.0, -0.5));
    }
}
