//! Energy as a landscape: balls that roll on a curve, and retrievals in the plane.

use serde::Serialize;

use crate::energy::landscape::{Polynomial, Stationary, classical_path, grid, modern_path, quadratic};
use crate::energy::{Energy, Modern, SimplexMap};
use crate::pattern::RealPatterns;
use crate::{Context, Error, Hint, Result};

/// Steps of a path at most: what a picture holds.
const MOST_STEPS: usize = 50_000;
/// Coefficients at most.
const MOST_COEFFICIENTS: usize = 33;
/// Balls, patterns or retrievals at most: what a legend holds.
const MOST: usize = 8;
/// What moves less in a step rests.
const RESTS: f64 = 1e-9;
/// A ball this near to a stationary point is there.
const THERE: f64 = 1e-3;
/// A retrieval ends at a pattern within this share of the reach of the plane.
const NEAR: f64 = 0.15;
/// Coordinates of the plane at most, by size.
const FARTHEST: f64 = 1e6;

fn check_steps(steps: usize) -> Result<()> {
    match steps <= MOST_STEPS {
        true => Ok(()),
        false => Err(Error::option("steps", steps, format!("at most {MOST_STEPS}"))),
    }
}

/// A polynomial energy and balls on it.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveOptions {
    /// Coefficients of the energy, lowest power first; 1 to 33.
    pub polynomial: Vec<f64>,
    /// Where balls start; 1 to 8.
    pub start: Vec<f64>,
    /// How far a ball rolls in a step, for each unit of slope; > 0.
    pub rate: f64,
    /// Steps at most.
    pub steps: usize,
}

/// 3 x - 2 x^2 - x^3 + 0.5 x^4, a ball on each side of the maximum.
impl Default for CurveOptions {
    fn default() -> Self {
        Self { polynomial: vec![0.0, 3.0, -2.0, -1.0, 0.5], start: vec![1.0, 0.2], rate: 0.02, steps: 1000 }
    }
}

impl CurveOptions {
    /// Two equal valleys, x^4 - 2 x^2: a ball that rolls, one that stays on the maximum, and one that was pushed off it.
    pub fn two_valleys() -> Self {
        Self { polynomial: vec![0.0, 0.0, -2.0, 0.0, 1.0], start: vec![0.3, 0.0, 0.001], ..Self::default() }
    }

    /// Refuses more than a picture holds.
    ///
    /// # Errors
    /// `is_usage`, naming the option at fault.
    pub fn check(&self) -> Result<()> {
        check_steps(self.steps)?;
        let (coefficients, balls) = (self.polynomial.len(), self.start.len());
        if coefficients > MOST_COEFFICIENTS {
            return Err(Error::option("polynomial", "", format!("give 1 to {MOST_COEFFICIENTS} coefficients")));
        }
        if !(1..=MOST).contains(&balls) {
            return Err(Error::option("start", "", format!("give 1 to {MOST} places")));
        }
        if let Some((power, c)) = self.polynomial.iter().enumerate().find(|(_, c)| !c.is_finite()) {
            return Err(Error::option(
                "polynomial",
                c,
                format!("the coefficient of x^{power} is not a number; give finite ones"),
            ));
        }
        if let Some(place) = self.start.iter().find(|place| !place.is_finite()) {
            return Err(Error::option("start", place, "is not a number; give finite places"));
        }
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            return Err(Error::option("rate", self.rate, "give a positive number"));
        }
        Ok(())
    }
}

/// What a stationary point is among all of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The only minimum.
    OnlyMinimum,
    /// The lowest of several minima.
    GlobalMinimum,
    /// One of several minima that are equally low, none lower.
    SharedMinimum,
    /// A minimum above another one.
    LocalMinimum,
    /// A maximum.
    Maximum,
    /// An inflection with a level tangent.
    Saddle,
}

/// A stationary point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Level {
    /// Where.
    pub x: f64,
    /// Energy there.
    pub energy: f64,
    /// What a ball does there.
    pub kind: Stationary,
    /// What it is among all of them.
    pub standing: Standing,
}

/// How a ball ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// At rest where the curve is level, at no stationary point: a plain.
    Level,
    /// At rest on a maximum: nothing pushes it.
    Balances,
    /// At rest at a saddle.
    Saddle,
    /// At rest in a minimum, and a lower one lies elsewhere.
    LocalMinimum,
    /// At rest in a minimum, and none is lower.
    GlobalMinimum,
    /// Out of the interval that is looked at: nothing stops it.
    Escapes,
    /// The steps were used up before it came to rest.
    Rolls,
}

/// A ball and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ball {
    /// Where it started.
    pub start: f64,
    /// Where it ended.
    pub end: f64,
    /// Energy there.
    pub energy: f64,
    /// Steps taken.
    pub steps: usize,
    /// The stationary point at which it ended, by number.
    pub level: Option<usize>,
    /// True if it rests in a minimum above another one.
    pub trapped: bool,
    /// How it ended.
    pub ended: Fate,
    /// x at the start and after every step.
    #[serde(skip)]
    pub path: Vec<f64>,
}

/// The stationary points of a polynomial and the balls on it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// "attractor.memory.landscape.curve/1".
    pub schema: &'static str,
    /// Coefficients of the energy, lowest power first.
    pub coefficients: Vec<f64>,
    /// Lower end of the interval that holds all there is to see.
    pub from: f64,
    /// Upper end.
    pub to: f64,
    /// Stationary points, ascending.
    pub stationary: Vec<Level>,
    /// Balls, in the order of their starts.
    pub balls: Vec<Ball>,
    /// The energy.
    #[serde(skip)]
    pub polynomial: Polynomial,
}

impl Curve {
    /// True if the energy is a constant: every place is level, and none is a point that stands out.
    pub fn is_flat(&self) -> bool {
        self.coefficients[1..].iter().all(|c| *c == 0.0)
    }
}

/// Finds the stationary points and rolls the balls.
///
/// # Errors
/// As [`CurveOptions::check`]; `is_usage` for numbers that are none, and a rate so large that a ball is thrown uphill.
pub fn curve(options: &CurveOptions, context: &Context<'_>) -> Result<Curve> {
    options.check()?;
    let polynomial = Polynomial::new(options.polynomial.clone())?;
    let (from, to) = polynomial.span(&options.start)?;
    let stationary = levels(&polynomial, from, to)?;
    let balls = options.start.iter().map(|&start| {
        context.check()?;
        roll(&polynomial, &stationary, (from, to), start, options)
    });
    let balls = balls.collect::<Result<_>>()?;
    let coefficients = options.polynomial.clone();
    let schema = "attractor.memory.landscape.curve/1";
    Ok(Curve { schema, coefficients, from, to, stationary, balls, polynomial })
}

fn levels(polynomial: &Polynomial, from: f64, to: f64) -> Result<Vec<Level>> {
    let points = polynomial.stationary(from, to)?;
    let minima = || points.iter().filter(|point| point.1 == Stationary::Stable).map(|point| polynomial.energy(point.0));
    let lowest = minima().min_by(f64::total_cmp).unwrap_or(f64::INFINITY);
    let is_lowest = |energy: f64| energy <= lowest + 1e-9 * (1.0 + lowest.abs());
    let (count, lowest_ones) = (minima().count(), minima().filter(|&energy| is_lowest(energy)).count());
    let level = |&(x, kind): &(f64, Stationary)| {
        let energy = polynomial.energy(x);
        let standing = match kind {
            Stationary::Unstable => Standing::Maximum,
            Stationary::Saddle => Standing::Saddle,
            Stationary::Stable if !is_lowest(energy) => Standing::LocalMinimum,
            Stationary::Stable if count == 1 => Standing::OnlyMinimum,
            Stationary::Stable if lowest_ones > 1 => Standing::SharedMinimum,
            Stationary::Stable => Standing::GlobalMinimum,
        };
        Level { x, energy, kind, standing }
    };
    Ok(points.iter().map(level).collect())
}

fn roll(
    polynomial: &Polynomial,
    levels: &[Level],
    (from, to): (f64, f64),
    start: f64,
    options: &CurveOptions,
) -> Result<Ball> {
    let rate = options.rate;
    let mut path = polynomial.roll(start, rate, options.steps)?;
    let slope = polynomial.derivative();
    let rests = |x: f64| (rate * slope.energy(x)).abs() <= RESTS;
    let is_out = |x: f64| !(from..=to).contains(&x);
    if let Some(end) = path.iter().position(|&x| rests(x) || is_out(x)) {
        path.truncate(end + 1);
    }
    let falls = |x: &[f64]| polynomial.energy(x[1]) <= polynomial.energy(x[0]) + 1e-9;
    if let Some(step) = path.windows(2).position(|x| !falls(x)) {
        let why = format!("from {start} step {} overshoots and leads uphill; give a smaller rate", step + 1);
        return Err(Error::option("rate", rate, why));
    }
    let end = path[path.len() - 1];
    let level = levels.iter().position(|level| (level.x - end).abs() < THERE);
    let ended = match (rests(end), level.map(|at| levels[at].standing)) {
        (true, None) => Fate::Level,
        (true, Some(Standing::Maximum)) => Fate::Balances,
        (true, Some(Standing::Saddle)) => Fate::Saddle,
        (true, Some(Standing::LocalMinimum)) => Fate::LocalMinimum,
        (true, Some(Standing::OnlyMinimum | Standing::GlobalMinimum | Standing::SharedMinimum)) => Fate::GlobalMinimum,
        (false, _) if is_out(end) => Fate::Escapes,
        (false, _) => Fate::Rolls,
    };
    let (energy, steps, trapped) = (polynomial.energy(end), path.len() - 1, ended == Fate::LocalMinimum);
    Ok(Ball { start, end, energy, steps, level, trapped, ended, path })
}

/// Patterns of two features and retrievals in their plane.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaneOptions {
    /// Patterns, 1 to 8.
    pub stored: Vec<[f64; 2]>,
    /// Where retrievals start, 1 to 8.
    pub from: Vec<[f64; 2]>,
    /// Inverse temperature of the modern memory.
    pub beta: f64,
    /// Share of the way to T(z) that a step of a modern retrieval goes, in (0, 2).
    pub damping: f64,
    /// Steps at most of a modern retrieval.
    pub steps: usize,
    /// Also the classical memory of the same patterns: they are then corners of the square, and starts lie in it.
    pub classical: bool,
}

/// Three corners of the square and four starts.
impl Default for PlaneOptions {
    fn default() -> Self {
        let stored = vec![[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]];
        let from = vec![[0.3, 0.6], [-0.35, 0.15], [0.5, -0.3], [-0.5, -0.8]];
        Self { stored, from, beta: 3.0, damping: 0.1, steps: 1000, classical: false }
    }
}

impl PlaneOptions {
    /// Refuses more than a picture holds, and what is no state of a classical memory.
    ///
    /// # Errors
    /// `is_usage`, naming the option; with the hint to omit `classical` for patterns that only a modern memory stores.
    pub fn check(&self) -> Result<()> {
        check_steps(self.steps)?;
        for (name, places) in [("stored", &self.stored), ("from", &self.from)] {
            if !(1..=MOST).contains(&places.len()) {
                return Err(Error::option(name, "", format!("{} places; give 1 to {MOST}", places.len())));
            }
            if let Some([x, y]) = places.iter().find(|place| place.iter().any(|z| !(z.abs() <= FARTHEST))) {
                return Err(Error::option(name, format!("{x},{y}"), "give numbers from -1e6 to 1e6"));
            }
        }
        let place = |places: &[[f64; 2]], wrong: fn(f64) -> bool| {
            places.iter().position(|place| place.iter().any(|&z| wrong(z))).map(|at| (at, places[at]))
        };
        if let Some((at, [x, y])) = place(&self.stored, |z| z.abs() != 1.0).filter(|_| self.classical) {
            let why = format!("pattern {at} is {x},{y}; a classical memory stores +1 and -1, corners of the square");
            return Err(Error::option("stored", "", why).hinted(Hint::Omit("classical")));
        }
        if let Some((at, [x, y])) = place(&self.from, |z| z.abs() > 1.0).filter(|_| self.classical) {
            let why = format!("start {at} is {x},{y}; a classical state stays from -1 to 1");
            return Err(Error::option("from", "", why));
        }
        Ok(())
    }
}

/// Where a retrieval ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Near a stored pattern.
    Pattern(usize),
    /// Near the mirror of a stored pattern.
    Mirror(usize),
    /// Near none.
    Between,
}

/// A retrieval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Path {
    /// Where it started.
    pub start: [f64; 2],
    /// Where it ended.
    pub end: [f64; 2],
    /// Steps of the modern memory; changes of a feature in the classical one.
    pub steps: usize,
    /// What lies there.
    pub ended: End,
    /// The start and every step.
    #[serde(skip)]
    pub path: Vec<[f64; 2]>,
}

/// The same retrievals in each memory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Paths {
    /// Of the modern memory.
    pub modern: Vec<Path>,
    /// Of the classical one, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classical: Option<Vec<Path>>,
}

/// A memory whose energy is drawn over the plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Log-sum-exp.
    Modern,
    /// Quadratic, its diagonal kept.
    Classical,
}

/// The memories of a few patterns in two dimensions, and retrievals over them.
#[derive(Debug, Clone, Serialize)]
pub struct Plane {
    /// "attractor.memory.landscape.plane/1".
    pub schema: &'static str,
    /// What is stored.
    pub patterns: Vec<[f64; 2]>,
    /// Inverse temperature of the modern memory.
    pub beta: f64,
    /// Modern energy of each pattern.
    pub energies: Vec<f64>,
    /// Retrievals.
    pub retrievals: Paths,
    /// The modern memory.
    #[serde(skip)]
    pub modern: Modern,
    /// The plane is looked at from minus this to this, in both features.
    #[serde(skip)]
    pub reach: f64,
}

impl Plane {
    /// Energies over the plane, [y, x], `side` x `side` places.
    ///
    /// # Errors
    /// As [`grid`].
    pub fn energies(&self, memory: Memory, side: usize) -> Result<Vec<f64>> {
        grid(-self.reach, self.reach, side, |z| match memory {
            Memory::Modern => self.modern.energy(z),
            Memory::Classical => quadratic(self.modern.patterns(), z),
        })
    }
}

/// What a path ends near: a pattern, or else a mirror of one.
fn end(patterns: &[[f64; 2]], reach: f64, [x, y]: [f64; 2]) -> End {
    let near = |sign: f64| {
        let off = |at: &usize| (patterns[*at][0] - sign * x).hypot(patterns[*at][1] - sign * y);
        let nearest = (0..patterns.len()).min_by(|a, b| off(a).total_cmp(&off(b)))?;
        (off(&nearest) < NEAR * reach).then_some(nearest)
    };
    match (near(1.0), near(-1.0)) {
        (Some(pattern), _) => End::Pattern(pattern),
        (None, Some(pattern)) => End::Mirror(pattern),
        (None, None) => End::Between,
    }
}

/// Stores the patterns and retrieves from every start.
///
/// # Errors
/// As [`PlaneOptions::check`]; `is_usage` for a beta that is not a positive number or a damping that does not lie in (0, 2).
pub fn plane(options: &PlaneOptions, context: &Context<'_>) -> Result<Plane> {
    options.check()?;
    let (stored, starts) = (&options.stored, &options.from);
    let patterns = RealPatterns::new(stored.len(), 2, stored.concat())?;
    let modern = Modern::new(patterns.clone(), options.beta, SimplexMap::Softmax)?;
    let farthest = stored.iter().chain(starts).flatten().fold(0.0, |most: f64, z| most.max(z.abs()));
    let reach = if farthest > 0.0 { 1.35 * farthest } else { 1.0 };
    let path = |states: Vec<Vec<f64>>| {
        let path: Vec<[f64; 2]> = states.iter().map(|z| [z[0], z[1]]).collect();
        let (first, last) = (path[0], path[path.len() - 1]);
        Path { start: first, end: last, steps: path.len() - 1, ended: end(stored, reach, last), path }
    };
    let modern_paths = starts.iter().map(|start| {
        context.check()?;
        Ok(path(modern_path(&modern, start, options.damping, RESTS, options.steps)?))
    });
    let modern_paths = modern_paths.collect::<Result<_>>()?;
    let classical_paths = || starts.iter().map(|start| path(classical_path(&patterns, start))).collect();
    Ok(Plane {
        schema: "attractor.memory.landscape.plane/1",
        patterns: stored.clone(),
        beta: modern.beta(),
        energies: patterns.patterns().map(|x| modern.energy(x)).collect(),
        retrievals: Paths { modern: modern_paths, classical: options.classical.then(classical_paths) },
        modern,
        reach,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(options: &CurveOptions) -> Vec<Fate> {
        curve(options, &Context::new(0)).unwrap().balls.iter().map(|ball| ball.ended).collect()
    }

    fn standings(polynomial: &[f64]) -> Vec<Standing> {
        let options = CurveOptions { polynomial: polynomial.to_vec(), ..CurveOptions::default() };
        curve(&options, &Context::new(0)).unwrap().stationary.iter().map(|level| level.standing).collect()
    }

    /// A ball that goes downhill cannot know of a lower minimum beyond the maximum.
    #[test]
    fn balls_end_in_their_own_minimum() {
        let found = curve(&CurveOptions::default(), &Context::new(0)).unwrap();
        assert_eq!(fates(&CurveOptions::default()), [Fate::LocalMinimum, Fate::GlobalMinimum]);
        assert!(found.balls[0].trapped && !found.balls[1].trapped);
        assert!((found.balls[0].end - 2.11).abs() < 5e-3 && found.balls[0].level == Some(2));
        assert_eq!(
            fates(&CurveOptions { steps: 5000, ..CurveOptions::two_valleys() }),
            [Fate::GlobalMinimum, Fate::Balances, Fate::GlobalMinimum]
        );
        let ends = |polynomial: &[f64], start: f64, steps: usize| {
            let polynomial = polynomial.to_vec();
            fates(&CurveOptions { polynomial, start: vec![start], steps, ..CurveOptions::default() })[0]
        };
        assert_eq!(ends(&[0.0, 1.0], 0.3, 1000), Fate::Escapes);
        assert_eq!(ends(&[5.0], 0.3, 1000), Fate::Level);
        assert_eq!(ends(&[0.0, 0.0, 0.0, 1.0], -0.1, 1000), Fate::Escapes);
        assert_eq!(ends(&[0.0, 0.0, 0.0, 1.0], 0.0, 1000), Fate::Saddle);
        assert_eq!(ends(&[0.0, 0.0, 1.0], 0.3, 5), Fate::Rolls);
    }

    #[test]
    fn stationary_points_are_told_apart() {
        use Standing::*;
        assert_eq!(standings(&[0.0, 3.0, -2.0, -1.0, 0.5]), [GlobalMinimum, Maximum, LocalMinimum]);
        assert_eq!(standings(&[0.0, 0.0, -2.0, 0.0, 1.0]), [SharedMinimum, Maximum, SharedMinimum]);
        assert_eq!(standings(&[0.0, 0.0, 1.0]), [OnlyMinimum]);
        assert_eq!(standings(&[0.0, 0.0, 0.0, 1.0]), [Saddle]);
    }

    /// Three corners: the classical memory also rests at the mirror of one, the modern one does not.
    #[test]
    fn the_modern_memory_has_no_minimum_at_a_mirror() {
        let options = PlaneOptions { classical: true, ..PlaneOptions::default() };
        let found = plane(&options, &Context::new(0)).unwrap();
        let ends = |paths: &[Path]| paths.iter().map(|path| path.ended).collect::<Vec<_>>();
        assert_eq!(ends(&found.retrievals.modern), [0, 1, 2, 2].map(End::Pattern));
        let classical = found.retrievals.classical.as_ref().unwrap();
        assert_eq!(ends(classical), [End::Pattern(0), End::Pattern(1), End::Pattern(2), End::Mirror(0)]);
        let low = found.energies(Memory::Modern, 3).unwrap();
        assert!(low.len() == 9 && low[0] > low[8], "the mirror lies higher than the pattern");
        let low = found.energies(Memory::Classical, 3).unwrap();
        assert!((low[0] - low[8]).abs() < 1e-12);
        let warm = PlaneOptions { beta: 0.1, ..PlaneOptions::default() };
        assert!(ends(&plane(&warm, &Context::new(0)).unwrap().retrievals.modern).contains(&End::Between));
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let curve_says = |options: CurveOptions| curve(&options, &Context::new(0)).unwrap_err().to_string();
        let plain = CurveOptions::default;
        assert!(curve_says(CurveOptions { steps: 50_001, ..plain() }).contains("steps = 50001: at most 50000"));
        assert!(curve_says(CurveOptions { start: vec![0.0; 9], ..plain() }).contains("start: give 1 to 8 places"));
        assert!(
            curve_says(CurveOptions { polynomial: vec![1.0; 34], ..plain() })
                .contains("polynomial: give 1 to 33 coefficients")
        );
        assert!(
            curve_says(CurveOptions { rate: 5.0, ..plain() })
                .contains("rate = 5: from 1 step 1 overshoots and leads uphill")
        );
        let plane_says = |options: PlaneOptions| plane(&options, &Context::new(0)).unwrap_err();
        let plain = PlaneOptions::default;
        let real = plane_says(PlaneOptions { stored: vec![[1.0, 1.0], [0.5, -1.0]], classical: true, ..plain() });
        assert!(
            real.hint() == Some(&Hint::Omit("classical")) && real.message().contains("pattern 1 is 0.5,-1"),
            "{real}"
        );
        for (options, says) in [
            (PlaneOptions { from: vec![[0.0, 1.5]], classical: true, ..plain() }, "start 0 is 0,1.5"),
            (PlaneOptions { from: vec![], ..plain() }, "from: 0 places"),
            (PlaneOptions { stored: vec![[f64::NAN, 0.0]], ..plain() }, "stored = NaN,0"),
            (PlaneOptions { damping: 2.0, ..plain() }, "damping = 2"),
            (PlaneOptions { steps: 60_000, ..plain() }, "steps = 60000"),
        ] {
            let error = plane_says(options);
            assert!(error.is_usage() && error.to_string().contains(says), "{error}");
        }
    }
}
