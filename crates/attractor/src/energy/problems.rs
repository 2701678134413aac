//! Couplings to measure by: glasses whose ground energy is known in the mean, and instances where it is known exactly.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Couplings, MaxCut};
use crate::error::{Error, Result};
use crate::pattern::Spins;
use crate::random::Philox;

/// Ground energy per spin of the Sherrington-Kirkpatrick model for N to infinity.
///
/// # Source
/// Parisi 1980; the digits of Oppermann and Schmidt 2008, *Universality class of replica symmetry breaking*.
pub const SK_GROUND_ENERGY: f64 = -0.763_167;

/// Ground energy per spin of the +-J glass on a torus for L to infinity.
///
/// # Source
/// Campbell, Hartmann and Katzgraber 2004, *Energy size effects of two-dimensional Ising spin glasses*; recalled, not
/// checked against the text.
pub const TORUS_GROUND_ENERGY: f64 = -1.4019;

/// Mean ground-state energy of the Sherrington-Kirkpatrick model of N spins, N (-0.763167 + 0.70 N^(-2/3)): the leading
/// correction for a finite size.
///
/// # Source
/// Boettcher 2005, *Extremal optimization for Sherrington-Kirkpatrick spin glasses* (0.70); recalled, not checked against
/// the text.
pub fn sk_ground_energy(units: usize) -> f64 {
    let n = units as f64;
    n * (SK_GROUND_ENERGY + 0.70 * n.powf(-2.0 / 3.0))
}

/// A problem to anneal, by its kind and size.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// The glass in which every pair is coupled: [`sherrington_kirkpatrick`].
    SherringtonKirkpatrick {
        /// Spins.
        units: usize,
    },
    /// Couplings +1 and -1 on a torus: [`torus_glass`].
    TorusGlass {
        /// Spins along a side.
        side: usize,
    },
    /// As many frustrated loops as spins, planted on a torus: [`planted_loops`].
    PlantedLoops {
        /// Spins along a side.
        side: usize,
    },
    /// [`ferromagnet`] on a torus, coupling 1.
    Ferromagnet {
        /// Spins along a side.
        side: usize,
    },
    /// The largest cut of a graph.
    MaxCut {
        /// The graph.
        graph: MaxCut,
        /// Where it came from: a file.
        source: String,
    },
}

/// Its name in tables and JSON.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SherringtonKirkpatrick { units } => write!(f, "Sherrington-Kirkpatrick, {units} spins"),
            Self::TorusGlass { side } => write!(f, "+-1 glass on a torus, {side} x {side}"),
            Self::PlantedLoops { side } => write!(f, "planted frustrated loops on a torus, {side} x {side}"),
            Self::Ferromagnet { side } => write!(f, "Ising's ferromagnet on a torus, {side} x {side}"),
            Self::MaxCut { source, .. } => write!(f, "largest cut of {source}"),
        }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A problem drawn, and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// J.
    pub couplings: Couplings,
    /// The lowest energy there is, where it is known.
    pub ground: Option<f64>,
    /// What theory expects of the lowest energy of large systems; one draw scatters about it.
    pub expected: Option<f64>,
}

impl Problem {
    /// Spins along the side of a square lattice, if it is one.
    pub fn side(&self) -> Option<usize> {
        match self {
            Self::TorusGlass { side } | Self::PlantedLoops { side } | Self::Ferromagnet { side } => Some(*side),
            Self::SherringtonKirkpatrick { .. } | Self::MaxCut { .. } => None,
        }
    }

    /// The graph to cut, if it is one.
    pub fn graph(&self) -> Option<&MaxCut> {
        match self {
            Self::MaxCut { graph, .. } => Some(graph),
            _ => None,
        }
    }

    /// Draws it.
    ///
    /// # Errors
    /// `is_shape` for a size below what the kind needs: two spins, three along a side.
    pub fn instance(&self, random: &mut Philox) -> Result<Instance> {
        let plain = |couplings| Instance { couplings, ground: None, expected: None };
        Ok(match self {
            Self::SherringtonKirkpatrick { units } => {
                Instance { expected: Some(sk_ground_energy(*units)), ..plain(sherrington_kirkpatrick(*units, random)?) }
            }
            Self::TorusGlass { side } => Instance {
                expected: Some(TORUS_GROUND_ENERGY * (side * side) as f64),
                ..plain(torus_glass(*side, *side, random)?)
            },
            Self::PlantedLoops { side } => {
                let units = side * side;
                let planted = planted_loops(units, &grid(*side, *side, true)?, units, random)?;
                Instance { ground: Some(planted.energy), ..plain(planted.couplings) }
            }
            // All aligned, no bond is broken: -J of each of the 2 L^2 bonds.
            Self::Ferromagnet { side } => {
                Instance { ground: Some(-2.0 * (side * side) as f64), ..plain(ferromagnet(*side, *side, true, 1.0)?) }
            }
            Self::MaxCut { graph, .. } => plain(graph.couplings().clone()),
        })
    }
}

/// Every pair coupled, J_ij normal with mean 0 and variance 1 / N; for the ground energy see [`sk_ground_energy`].
///
/// # Errors
/// `is_shape` for fewer than two units.
/// # Source
/// Sherrington and Kirkpatrick 1975, *Solvable model of a spin-glass*.
pub fn sherrington_kirkpatrick(units: usize, random: &mut Philox) -> Result<Couplings> {
    if units < 2 || units.checked_mul(units).is_none() {
        return Err(Error::shape(format!("problem: {units} spins; every pair is coupled, so give at least 2")));
    }
    let mut matrix = vec![0.0; units * units];
    let deviation = (1.0 / units as f64).sqrt();
    for i in 0..units {
        for j in i + 1..units {
            let weight = deviation * random.normal();
            matrix[i * units + j] = weight;
            matrix[j * units + i] = weight;
        }
    }
    Couplings::dense(units, &matrix)
}

/// Neighbouring pairs of a rectangle, rows first; closed to a torus, each site has four neighbours.
///
/// # Errors
/// `is_shape` if the torus has fewer than three sites per side (a pair would meet twice), or there is no site.
pub fn grid(rows: usize, columns: usize, closed: bool) -> Result<Vec<(usize, usize)>> {
    let least = if closed { 3 } else { 1 };
    if rows < least || columns < least || rows.checked_mul(columns).is_none() {
        return Err(Error::shape(format!("problem: a grid of {rows} x {columns} sites; at least {least} per side")));
    }
    let mut pairs = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            let site = row * columns + column;
            if closed || column + 1 < columns {
                pairs.push((site, row * columns + (column + 1) % columns));
            }
            if closed || row + 1 < rows {
                pairs.push((site, (row + 1) % rows * columns + column));
            }
        }
    }
    Ok(pairs)
}

/// Ising's ferromagnet on a rectangle or torus: every neighbouring pair coupled by `coupling`.
///
/// # Errors
/// As [`grid`]; `is_usage` for a coupling that is not a finite number.
/// # Source
/// Onsager 1944, *Crystal statistics*: on the torus with J = 1 it orders below T = 2 / ln(1 + sqrt 2) = 2.269185.
pub fn ferromagnet(rows: usize, columns: usize, closed: bool, coupling: f64) -> Result<Couplings> {
    let edges: Vec<_> = grid(rows, columns, closed)?.into_iter().map(|(i, j)| (i, j, coupling)).collect();
    Couplings::sparse(rows * columns, &edges)
}

/// The +-J glass on a torus: every neighbouring pair coupled by +1 or -1, each with probability one half; for the ground
/// energy of large tori see [`TORUS_GROUND_ENERGY`].
///
/// # Errors
/// As [`grid`].
pub fn torus_glass(rows: usize, columns: usize, random: &mut Philox) -> Result<Couplings> {
    let sign = |random: &mut Philox| if random.next_u32() & 1 == 1 { 1.0 } else { -1.0 };
    let edges: Vec<_> = grid(rows, columns, true)?.into_iter().map(|(i, j)| (i, j, sign(random))).collect();
    Couplings::sparse(rows * columns, &edges)
}

/// Couplings whose ground energy is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Planted {
    /// J, whole numbers.
    pub couplings: Couplings,
    /// A ground state; its mirror state is another.
    pub ground: Spins,
    /// Its energy: no state lies lower.
    pub energy: f64,
}

/// Mattis' model: J_ij = s_i s_j on the pairs, s random. Without frustration: a ferromagnet in disguise, of energy
/// -(number of pairs).
///
/// # Errors
/// As [`Couplings::sparse`].
/// # Source
/// Mattis 1976, *Solvable spin systems with random interactions*.
pub fn mattis(units: usize, pairs: &[(usize, usize)], random: &mut Philox) -> Result<Planted> {
    // Checks the pairs before the state is asked for them.
    Couplings::sparse(units, &pairs.iter().map(|&(i, j)| (i, j, 1.0)).collect::<Vec<_>>())?;
    let ground = Spins::random(units, random);
    let sign = |i: usize, j: usize| f64::from(ground.sign(i) * ground.sign(j));
    let edges: Vec<_> = pairs.iter().map(|&(i, j)| (i, j, sign(i, j))).collect();
    Ok(Planted { couplings: Couplings::sparse(units, &edges)?, energy: -(pairs.len() as f64), ground })
}

/// Frustrated loops planted on a graph: the sum of `loops` random closed walks, each with J = s_i s_j but for one bond that
/// is flipped.
///
/// A loop of L bonds of which an odd number contradicts s has at least one broken bond in every state: its energy is at
/// least -(L - 2), and s reaches that for all loops at once. So s is a ground state of the sum, of energy
/// -sum (L - 2). Bonds of different loops add up, and those that cancel are left out.
///
/// # Errors
/// As [`Couplings::sparse`] for the pairs; `is_usage` if no loop is found (a tree), or none is asked for.
/// # Source
/// Hen, Job, Albash, Ronnow, Troyer and Lidar 2015, *Probing for quantum speedup in spin-glass problems with planted
/// solutions*; differs: no loop is refused for its length.
pub fn planted_loops(units: usize, pairs: &[(usize, usize)], loops: usize, random: &mut Philox) -> Result<Planted> {
    let graph = Couplings::sparse(units, &pairs.iter().map(|&(i, j)| (i, j, 1.0)).collect::<Vec<_>>())?;
    let neighbours: Vec<Vec<usize>> = (0..units).map(|i| graph.neighbours(i).map(|(j, _)| j).collect()).collect();
    let ground = Spins::random(units, random);
    let mut bonds = std::collections::BTreeMap::<(usize, usize), f64>::new();
    let (mut energy, mut planted, mut failed) = (0.0, 0, 0);
    while planted < loops {
        let Some(cycle) = closed_walk(&neighbours, random) else {
            failed += 1;
            if failed > 100 * (units + loops) {
                return Err(Error::usage(format!(
                    "problem: {planted} of {loops} loops found on {units} units with {} pairs; give a graph with cycles",
                    pairs.len()
                )));
            }
            continue;
        };
        let broken = random.below(cycle.len());
        for at in 0..cycle.len() {
            let (i, j) = (cycle[at], cycle[(at + 1) % cycle.len()]);
            let sign = f64::from(ground.sign(i) * ground.sign(j));
            *bonds.entry((i.min(j), i.max(j))).or_default() += if at == broken { -sign } else { sign };
        }
        energy -= cycle.len() as f64 - 2.0;
        planted += 1;
    }
    if loops == 0 {
        return Err(Error::usage("problem: no loop is asked for; give at least one"));
    }
    let edges: Vec<_> = bonds.into_iter().map(|((i, j), weight)| (i, j, weight)).collect();
    Ok(Planted { couplings: Couplings::sparse(units, &edges)?, ground, energy })
}

/// Walks at random, never straight back, until a unit comes again: the closed part, three units or more.
fn closed_walk(neighbours: &[Vec<usize>], random: &mut Philox) -> Option<Vec<usize>> {
    let mut place = std::collections::HashMap::new();
    let mut path = vec![random.below(neighbours.len())];
    loop {
        let here = *path.last()?;
        if let Some(first) = place.insert(here, path.len() - 1) {
            path.pop();
            return Some(path.split_off(first));
        }
        let back = path.len().checked_sub(2).map(|at| path[at]);
        let ways: Vec<usize> = neighbours[here].iter().copied().filter(|&j| Some(j) != back).collect();
        if ways.is_empty() {
            return None;
        }
        path.push(ways[random.below(ways.len())]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::{Energy, ground_state};

    /// Variance 1 / N of the couplings, five standard errors; symmetric by construction.
    #[test]
    fn sk_couplings_have_variance_one_over_n() {
        let n = 200;
        let couplings = sherrington_kirkpatrick(n, &mut Philox::new(41, 0)).unwrap();
        let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
        for (_, _, weight) in couplings.edges() {
            (sum, squares, count) = (sum + weight, squares + weight * weight, count + 1.0);
        }
        assert_eq!(count as usize, n * (n - 1) / 2);
        assert!((sum / count).abs() < 5.0 * (1.0 / n as f64 / count).sqrt());
        // The variance of a squared normal is 2 sigma^4.
        assert!((squares / count * n as f64 - 1.0).abs() < 5.0 * (2.0f64 / count).sqrt());
    }

    #[test]
    fn every_site_of_a_torus_has_four_neighbours() {
        let couplings = ferromagnet(3, 5, true, 1.5).unwrap();
        assert!((0..15).all(|i| couplings.neighbours(i).map(|(_, w)| w).sum::<f64>() == 6.0));
        assert_eq!(ground_state(&couplings).unwrap().1, -1.5 * 30.0);
        assert_eq!(ground_state(&ferromagnet(3, 4, false, 1.0).unwrap()).unwrap().1, -17.0);
        let glass = torus_glass(4, 4, &mut Philox::new(42, 0)).unwrap();
        assert!(glass.edges().count() == 32 && glass.edges().all(|edge| edge.2.abs() == 1.0));
    }

    /// What an instance says of its ground energy is what enumeration finds; the mean of glasses is near what is expected.
    #[test]
    fn known_ground_energies_are_those_of_all_states() {
        let lowest = |problem: &Problem, seed: u64| {
            let instance = problem.instance(&mut Philox::new(seed, u64::MAX)).unwrap();
            (ground_state(&instance.couplings).unwrap().1, instance.ground)
        };
        for problem in [Problem::Ferromagnet { side: 4 }, Problem::PlantedLoops { side: 4 }] {
            let (found, said) = lowest(&problem, 7);
            assert_eq!(Some(found), said, "{problem}");
        }
        // 40 glasses of 16 spins: one scatters by about 1.5, their mean by 0.25; the correction for the size is 1.76.
        let glass = Problem::SherringtonKirkpatrick { units: 16 };
        let mean = (0..40).map(|seed| lowest(&glass, seed).0).sum::<f64>() / 40.0;
        assert!((mean - sk_ground_energy(16)).abs() < 1.0, "{mean} {}", sk_ground_energy(16));
        assert!(Problem::TorusGlass { side: 2 }.instance(&mut Philox::new(0, 0)).unwrap_err().is_shape());
    }

    /// What is planted is the lowest of all states, by enumeration.
    #[test]
    fn no_state_lies_below_the_planted_one() {
        let pairs = grid(4, 4, true).unwrap();
        for seed in 0..6 {
            let mut random = Philox::new(seed, 0);
            let planted = planted_loops(16, &pairs, 6 + 4 * seed as usize, &mut random).unwrap();
            assert_eq!(planted.couplings.energy(&planted.ground), planted.energy);
            assert_eq!(ground_state(&planted.couplings).unwrap().1, planted.energy, "seed {seed}");
            assert!(planted.couplings.is_whole());
            let mattis = mattis(16, &pairs, &mut random).unwrap();
            assert_eq!(mattis.couplings.energy(&mattis.ground), mattis.energy);
            assert_eq!(ground_state(&mattis.couplings).unwrap().1, mattis.energy);
        }
    }

    #[test]
    fn problems_that_do_not_exist_are_refused() {
        let random = &mut Philox::new(0, 0);
        assert!(sherrington_kirkpatrick(1, random).unwrap_err().is_shape());
        assert!(torus_glass(2, 5, random).unwrap_err().is_shape());
        assert!(ferromagnet(0, 5, false, 1.0).unwrap_err().is_shape());
        assert!(ferromagnet(3, 3, true, f64::NAN).unwrap_err().is_usage());
        assert!(planted_loops(4, &[(0, 1), (1, 2), (2, 3)], 1, random).unwrap_err().to_string().contains("0 of 1"));
        assert!(planted_loops(3, &[(0, 1), (1, 2), (2, 0)], 0, random).unwrap_err().is_usage());
        assert!(mattis(3, &[(0, 3)], random).unwrap_err().is_shape());
    }
}
