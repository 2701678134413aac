//! One read, sixteen units at a look.
//!
//! Units are still updated one after the other: sixteen thresholds and sixteen fields are compared at once, and the first unit
//! that turns is turned. In a matrix a flip is one pass over a row, and the fields behind it are compared again; on a graph
//! only neighbours among the sixteen are, of which there are few.

use pulp::{Simd, WithSimd};

use super::ended::Annealed;
use super::stream::{BLOCK, Lanes, Thresholds};
use super::{Dynamics, small};
use crate::energy::{Couplings, SpinMemory};
use crate::pattern::Spins;

/// Units compared at once; thresholds are drawn for [`BLOCK`].
const LOOK: usize = 16;

/// Couplings in single precision.
pub(super) struct Program {
    units: usize,
    /// Units up to a whole block; those beyond the last never turn.
    padded: usize,
    form: Form,
    biases: Vec<f32>,
    whole: bool,
    /// The same in bytes, where they hold it.
    small: Option<small::Program>,
}

enum Form {
    /// (N, padded), row by row.
    Dense(Vec<f32>),
    Sparse {
        starts: Vec<u32>,
        neighbours: Vec<(u32, f32)>,
        /// Of each unit, a bit for every neighbour in its own look.
        near: Vec<u32>,
    },
}

impl Program {
    /// `None` if single precision does not hold the fields, or there are too many edges for 32 bits.
    pub fn new(couplings: &Couplings) -> Option<Self> {
        let largest = couplings.largest_field();
        if largest.is_nan() || largest > 1e30 {
            return None;
        }
        let units = couplings.units();
        let padded = units.next_multiple_of(BLOCK);
        let edges: usize = (0..units).map(|i| couplings.neighbours(i).count()).sum();
        // Full rows are faster from about a third of the pairs on: they need no addresses.
        let form = if couplings.matrix().is_some() || edges > units * units / 3 {
            let mut rows = vec![0.0; units.checked_mul(padded)?];
            for unit in 0..units {
                couplings.neighbours(unit).for_each(|(j, weight)| rows[unit * padded + j] = weight as f32);
            }
            Form::Dense(rows)
        } else {
            let mut starts = vec![0];
            let mut neighbours = Vec::with_capacity(edges);
            for unit in 0..units {
                neighbours.extend(couplings.neighbours(unit).map(|(j, weight)| (j as u32, weight as f32)));
                starts.push(u32::try_from(neighbours.len()).ok()?);
            }
            let among = |unit: usize, j: usize| if j / LOOK == unit / LOOK { 1u32 << (j % LOOK) } else { 0 };
            let bits = |unit| couplings.neighbours(unit).fold(0, |bits, (j, _)| bits | among(unit, j));
            Form::Sparse { starts, neighbours, near: (0..units).map(bits).collect() }
        };
        let biases = couplings.biases().iter().map(|&b| b as f32).collect();
        // Whole numbers of f32 are exact up to 2^24, and so are their sums.
        let whole = couplings.is_whole() && largest < 8_388_608.0;
        Some(Self { units, padded, form, biases, whole, small: small::Program::new(couplings) })
    }

    /// Anneals one read from a random state.
    pub fn anneal(&self, rule: Dynamics, temperatures: &[f64], seed: u64, stream: u64, trace: bool) -> Annealed {
        if let Some(small) = &self.small {
            return small.anneal(rule, temperatures, seed, stream, trace);
        }
        pulp::Arch::new().dispatch(Task { program: self, rule, temperatures, random: Lanes::new(seed, stream), trace })
    }

    fn state(&self, x: &[f32]) -> Spins {
        let mut state = Spins::new(self.units);
        (0..self.units).filter(|&unit| x[unit] > 0.0).for_each(|unit| state.set(unit, true));
        state
    }
}

/// The work of one call, compiled once for each instruction set.
struct Task<'a> {
    program: &'a Program,
    rule: Dynamics,
    temperatures: &'a [f64],
    random: Lanes,
    trace: bool,
}

impl WithSimd for Task<'_> {
    type Output = Annealed;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> Annealed {
        let mut read = Read::random(self.program, &mut self.random);
        let mut best = (read.energy, read.x.clone());
        let mut energies = Vec::new();
        for (sweep, &temperature) in self.temperatures.iter().enumerate() {
            let turned = read.sweep(simd, Thresholds::new(self.rule, temperature), &mut self.random);
            if !self.program.whole && sweep % 64 == 63 {
                read.refresh();
            }
            if turned && read.energy < best.0 {
                best.0 = read.energy;
                best.1.copy_from_slice(&read.x);
            }
            if self.trace {
                energies.push(read.energy);
            }
        }
        Annealed { best: self.program.state(&best.1), last: self.program.state(&read.x), energies }
    }
}

struct Read<'a> {
    program: &'a Program,
    x: Vec<f32>,
    fields: Vec<f32>,
    energy: f64,
}

impl<'a> Read<'a> {
    #[inline(always)]
    fn random(program: &'a Program, random: &mut Lanes) -> Self {
        let mut x = vec![1.0; program.padded];
        for part in x.as_chunks_mut::<BLOCK>().0 {
            let numbers = random.next();
            for at in 0..BLOCK {
                part[at] = if numbers[at] >> 31 == 1 { 1.0 } else { -1.0 };
            }
        }
        // Beyond the last unit: aligned with an infinite field, whatever is added to it.
        x[program.units..].fill(1.0);
        let fields = vec![f32::INFINITY; program.padded];
        let mut read = Self { program, x, fields, energy: 0.0 };
        read.refresh();
        read
    }

    /// Fields and energy from the state.
    #[inline(always)]
    fn refresh(&mut self) {
        let program = self.program;
        let mut twice = 0.0;
        for unit in 0..program.units {
            let field = program.biases[unit]
                + match &program.form {
                    Form::Dense(rows) => {
                        let row = &rows[unit * program.padded..][..program.padded];
                        let mut sums = [0.0f32; LOOK];
                        for (row, x) in row.as_chunks::<LOOK>().0.iter().zip(self.x.as_chunks::<LOOK>().0) {
                            for at in 0..LOOK {
                                sums[at] += row[at] * x[at];
                            }
                        }
                        sums.iter().sum::<f32>()
                    }
                    Form::Sparse { starts, neighbours, .. } => {
                        let row = &neighbours[starts[unit] as usize..starts[unit + 1] as usize];
                        row.iter().map(|&(j, weight)| weight * self.x[j as usize]).sum::<f32>()
                    }
                };
            self.fields[unit] = field;
            twice += f64::from(self.x[unit]) * (f64::from(field) + f64::from(program.biases[unit]));
        }
        self.energy = -0.5 * twice;
    }

    /// A bit for each of the sixteen units of a look that lies below its threshold.
    #[inline(always)]
    fn below<S: Simd>(&self, simd: S, look: usize, thresholds: &[f32; LOOK]) -> u32 {
        #[cfg(target_arch = "x86_64")]
        if let Some(wide) = (&simd as &dyn std::any::Any).downcast_ref::<pulp::x86::V4>() {
            let f = wide.avx512f;
            let [x, fields] = [&self.x, &self.fields].map(|all| pulp::cast(all.as_chunks::<LOOK>().0[look]));
            let below = f._mm512_cmp_ps_mask::<{ std::arch::x86_64::_CMP_LT_OQ }>(
                f._mm512_mul_ps(x, fields),
                pulp::cast(*thresholds),
            );
            return u32::from(below);
        }
        const BITS: [f32; LOOK] =
            [1., 2., 4., 8., 16., 32., 64., 128., 256., 512., 1024., 2048., 4096., 8192., 16384., 32768.];
        let (x, _) = S::as_simd_f32s(&self.x.as_chunks::<LOOK>().0[look]);
        let (fields, _) = S::as_simd_f32s(&self.fields.as_chunks::<LOOK>().0[look]);
        let (thresholds, _) = S::as_simd_f32s(thresholds);
        let (bits, _) = S::as_simd_f32s(&BITS);
        let none = simd.splat_f32s(0.0);
        // A sum of powers of two, exact: what pulp has no way to ask of a mask.
        let mut found = none;
        for part in 0..x.len() {
            let below = simd.less_than_f32s(simd.mul_f32s(x[part], fields[part]), thresholds[part]);
            found = simd.add_f32s(found, simd.select_f32s(below, bits[part], none));
        }
        simd.reduce_sum_f32s(found) as u32
    }

    /// After a turn of the unit at `at` in a look: the bits of those behind it.
    #[inline(always)]
    fn behind<S: Simd>(&self, simd: S, look: usize, at: usize, thresholds: &[f32; LOOK], mut below: u32) -> u32 {
        let behind = !0u32 << at << 1;
        match &self.program.form {
            Form::Dense(_) => self.below(simd, look, thresholds) & behind,
            Form::Sparse { near, .. } => {
                let mut near = near[look * LOOK + at] & behind;
                while near != 0 {
                    let other = near.trailing_zeros() as usize;
                    let unit = look * LOOK + other;
                    let is_below = self.x[unit] * self.fields[unit] < thresholds[other];
                    below = below & !(1 << other) | u32::from(is_below) << other;
                    near &= near - 1;
                }
                below & behind
            }
        }
    }

    /// Every unit once, in order; true if any turned.
    #[inline(always)]
    fn sweep<S: Simd>(&mut self, simd: S, thresholds: Thresholds, random: &mut Lanes) -> bool {
        const LOOKS: usize = BLOCK / LOOK;
        let largest = [thresholds.largest(); LOOK];
        let mut any = false;
        for block in 0..self.program.padded / BLOCK {
            let (mut drawn, mut are_drawn) = ([0.0; BLOCK], false);
            for part in 0..LOOKS {
                let look = block * LOOKS + part;
                // Where no random number would turn a unit, none is drawn.
                if self.below(simd, look, &largest) == 0 {
                    continue;
                }
                if !are_drawn {
                    (drawn, are_drawn) = (thresholds.draw(random), true);
                }
                let drawn = &drawn.as_chunks::<LOOK>().0[part];
                let mut below = self.below(simd, look, drawn);
                any |= below != 0;
                while below != 0 {
                    let at = below.trailing_zeros() as usize;
                    self.flip(look * LOOK + at);
                    below = self.behind(simd, look, at, drawn, below);
                }
            }
        }
        any
    }

    #[inline(always)]
    fn flip(&mut self, unit: usize) {
        let x = self.x[unit];
        self.energy += 2.0 * f64::from(x) * f64::from(self.fields[unit]);
        self.x[unit] = -x;
        let step = -2.0 * x;
        match &self.program.form {
            Form::Dense(rows) => {
                let row = &rows[unit * self.program.padded..][..self.program.padded];
                // Two roundings on every machine, with or without a fused instruction.
                for (field, weight) in self.fields.iter_mut().zip(row) {
                    *field += step * weight;
                }
            }
            Form::Sparse { starts, neighbours, .. } => {
                let (row, fields) =
                    (&neighbours[starts[unit] as usize..starts[unit + 1] as usize], &mut self.fields[..]);
                for &(j, weight) in row {
                    fields[j as usize] += step * weight;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::problems::{sherrington_kirkpatrick, torus_glass};
    use crate::energy::{Energy, SpinWalk};
    use crate::random::Philox;

    /// The definition: one walk in double precision, the same numbers, unit by unit.
    fn plainly(couplings: &Couplings, rule: Dynamics, temperatures: &[f64], seed: u64) -> (Spins, Spins, Vec<f64>) {
        let units = couplings.units();
        let mut random = Lanes::new(seed, 5);
        let mut start = Spins::new(units);
        for block in (0..units).step_by(BLOCK) {
            let numbers = random.next();
            (block..units.min(block + BLOCK)).for_each(|unit| start.set(unit, numbers[unit - block] >> 31 == 1));
        }
        let mut walk = couplings.walk(&start);
        let mut best = (walk.energy(), start);
        let mut trace = Vec::new();
        for &temperature in temperatures {
            let thresholds = Thresholds::new(rule, temperature);
            for block in (0..units).step_by(BLOCK) {
                let below = |walk: &crate::energy::CouplingsWalk<'_>, unit: usize, t: f32| {
                    walk.field(unit) * f64::from(walk.state().sign(unit)) < f64::from(t)
                };
                let mut numbers = None;
                for look in (block..units.min(block + BLOCK)).step_by(LOOK) {
                    let look = look..units.min(look + LOOK);
                    if !look.clone().any(|unit| below(&walk, unit, thresholds.largest())) {
                        continue;
                    }
                    let numbers = numbers.get_or_insert_with(|| random.next());
                    for unit in look {
                        if below(&walk, unit, thresholds.of(numbers[unit - block])) {
                            walk.flip(unit);
                        }
                    }
                }
            }
            if walk.energy() < best.0 {
                best = (walk.energy(), walk.state().clone());
            }
            trace.push(walk.energy());
        }
        (best.1, walk.state().clone(), trace)
    }

    #[test]
    fn sixteen_spins_at_once_are_decided_as_one_after_the_other() {
        let mut random = Philox::new(71, 0);
        let temperatures: Vec<f64> = (0..150).map(|k| 3.0 * 0.97f64.powi(k)).collect();
        let torus = torus_glass(7, 11, &mut random).unwrap();
        let biased = torus.clone().with_biases((0..77).map(|i| f64::from(i % 5) - 2.0).collect()).unwrap();
        // Whole weights in a matrix.
        let mut matrix = vec![0.0; 37 * 37];
        for i in 0..37 {
            for j in 0..i {
                let weight = random.below(7) as f64 - 3.0;
                (matrix[i * 37 + j], matrix[j * 37 + i]) = (weight, weight);
            }
        }
        let dense = Couplings::dense(37, &matrix).unwrap();
        // Bytes are for graphs of fewer units, or more edges.
        let large = torus_glass(20, 21, &mut random).unwrap();
        assert!(Program::new(&large).unwrap().small.is_none());
        for (couplings, scale) in [(&torus, 1.0), (&biased, 1.0), (&dense, 8.0), (&large, 1.0)] {
            let temperatures: Vec<f64> = temperatures.iter().map(|t| t * scale).collect();
            for rule in [Dynamics::HeatBath, Dynamics::Metropolis] {
                let (best, last, trace) = plainly(couplings, rule, &temperatures, 9);
                // In bytes where there are any, and in single precision.
                let mut program = Program::new(couplings).unwrap();
                for _ in 0..2 {
                    let fast = program.anneal(rule, &temperatures, 9, 5, true);
                    assert!(fast.last == last && fast.best == best && fast.energies == trace, "{rule:?}");
                    program.small = None;
                }
            }
        }
    }

    /// Weights that are not integers: decisions differ only where rounding does, so the energies that are told are
    /// those of the states, over many sweeps.
    #[test]
    fn energies_stay_those_of_the_states() {
        let couplings = sherrington_kirkpatrick(50, &mut Philox::new(72, 0)).unwrap();
        let program = Program::new(&couplings).unwrap();
        for sweeps in [3, 63, 1000] {
            let annealed = program.anneal(Dynamics::HeatBath, &vec![0.9; sweeps], 3, 0, true);
            let energy = couplings.energy(&annealed.last);
            assert!((annealed.energies[sweeps - 1] - energy).abs() < 1e-4, "{sweeps}");
        }
    }
}
