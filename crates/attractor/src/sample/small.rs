//! One read of couplings that are small whole numbers: fields are bytes, and sixty-four units are compared at a look.
//!
//! The same decisions by the same random numbers as [`single`](super::single) makes in single precision. A turn is one pass
//! over a row of bytes, which is faster than an addition for every neighbour unless there are few.

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, unused_imports))]

use super::Dynamics;
use super::ended::Annealed;
use super::stream::{BLOCK, Lanes, Thresholds};
use crate::energy::{Couplings, SpinMemory};
use crate::pattern::Spins;

/// Largest field: thresholds are cut at 127, which no field reaches.
const MOST_FIELD: f64 = 126.0;
/// Most bytes of rows: beyond them they come from far away, and single precision is as fast.
const MOST_ROWS: usize = 1 << 21;

/// Couplings in bytes.
pub(super) struct Program {
    units: usize,
    /// Blocks of units; those beyond the last unit never turn.
    blocks: usize,
    biases: Vec<i8>,
    /// (N, blocks), row by row, each weight twice.
    rows: Vec<Block>,
    simd: Wide,
}

#[cfg(target_arch = "x86_64")]
type Wide = pulp::x86::V4;
#[cfg(not(target_arch = "x86_64"))]
type Wide = std::convert::Infallible;

/// Sixty-four bytes that lie in one line of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Block([i8; BLOCK]);

#[cfg(not(target_arch = "x86_64"))]
impl Program {
    pub fn new(_: &Couplings) -> Option<Self> {
        None
    }

    pub fn anneal(&self, _: Dynamics, _: &[f64], _: u64, _: u64, _: bool) -> Annealed {
        match self.simd {}
    }
}

#[cfg(target_arch = "x86_64")]
impl Program {
    /// `None` without vectors of 64 bytes, or for couplings whose fields are none of bytes.
    pub fn new(couplings: &Couplings) -> Option<Self> {
        let simd = Wide::try_new()?;
        let units = couplings.units();
        let weight = |i: usize| couplings.neighbours(i).map(|(_, w)| w.abs()).fold(0.0, f64::max);
        let heaviest = (0..units).map(weight).fold(0.0, f64::max);
        // Comparisons that state what is needed: NaN fails them.
        if !(couplings.is_whole() && couplings.largest_field() <= MOST_FIELD && 2.0 * heaviest <= 127.0) {
            return None;
        }
        let blocks = units.div_ceil(BLOCK);
        let edges: usize = (0..units).map(|i| couplings.neighbours(i).count()).sum();
        // A vector of 64 units costs two thirds of what a neighbour costs by itself.
        if edges.saturating_mul(96) < units.saturating_mul(units) || units.saturating_mul(blocks * BLOCK) > MOST_ROWS {
            return None;
        }
        let mut rows = vec![Block([0; BLOCK]); units * blocks];
        for (unit, row) in rows.chunks_exact_mut(blocks).enumerate() {
            couplings.neighbours(unit).for_each(|(j, weight)| row[j / BLOCK].0[j % BLOCK] = (2.0 * weight) as i8);
        }
        let biases = couplings.biases().iter().map(|&b| b as i8).collect();
        Some(Self { units, blocks, biases, rows, simd })
    }

    fn row(&self, unit: usize) -> &[Block] {
        &self.rows[unit * self.blocks..(unit + 1) * self.blocks]
    }

    /// Anneals one read from a random state.
    pub fn anneal(&self, rule: Dynamics, temperatures: &[f64], seed: u64, stream: u64, trace: bool) -> Annealed {
        let random = Lanes::new(seed, stream);
        self.simd.vectorize(Task { program: self, rule, temperatures, random, trace })
    }
}

/// The work of one call.
#[cfg(target_arch = "x86_64")]
struct Task<'a> {
    program: &'a Program,
    rule: Dynamics,
    temperatures: &'a [f64],
    random: Lanes,
    trace: bool,
}

#[cfg(target_arch = "x86_64")]
impl pulp::NullaryFnOnce for Task<'_> {
    type Output = Annealed;

    #[inline(always)]
    fn call(mut self) -> Annealed {
        let mut read = Read::random(self.program, &mut self.random);
        let mut best = (read.energy, read.down.clone());
        let mut energies = Vec::new();
        for &temperature in self.temperatures {
            let turned = read.sweep(Thresholds::new(self.rule, temperature), &mut self.random);
            if turned && read.energy < best.0 {
                best.0 = read.energy;
                best.1.copy_from_slice(&read.down);
            }
            if self.trace {
                energies.push(read.energy as f64);
            }
        }
        Annealed { best: read.state(&best.1), last: read.state(&read.down), energies }
    }
}

#[cfg(target_arch = "x86_64")]
struct Read<'a> {
    program: &'a Program,
    /// 0 of a unit that is +1, -1 of one that is -1.
    down: Vec<Block>,
    fields: Vec<Block>,
    energy: i64,
}

/// A number in a byte, rounded up: x h < t is x h < this, since x h is a whole number.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn byte(threshold: f32) -> i8 {
    threshold.ceil().clamp(-128.0, 127.0) as i8
}

#[cfg(target_arch = "x86_64")]
impl<'a> Read<'a> {
    #[inline(always)]
    fn random(program: &'a Program, random: &mut Lanes) -> Self {
        let mut down = vec![Block([0; BLOCK]); program.blocks];
        for part in &mut down {
            let numbers = random.next();
            (0..BLOCK).for_each(|at| part.0[at] = (numbers[at] >> 31) as i8 - 1);
        }
        // Beyond the last unit: aligned with a field that no threshold exceeds.
        (program.units..program.blocks * BLOCK).for_each(|unit| down[unit / BLOCK].0[unit % BLOCK] = 0);
        let mut fields = vec![Block([127; BLOCK]); program.blocks];
        let sign = |unit: usize| 1 + 2 * i64::from(down[unit / BLOCK].0[unit % BLOCK]);
        let mut twice = 0;
        for unit in 0..program.units {
            let row = program.row(unit);
            let twice_weight = |j: usize| i64::from(row[j / BLOCK].0[j % BLOCK]);
            let from_others: i64 = (0..program.units).map(|j| twice_weight(j) / 2 * sign(j)).sum();
            let bias = i64::from(program.biases[unit]);
            fields[unit / BLOCK].0[unit % BLOCK] = (bias + from_others) as i8;
            twice += sign(unit) * (2 * bias + from_others);
        }
        Self { program, down, fields, energy: -twice / 2 }
    }

    fn state(&self, down: &[Block]) -> Spins {
        let mut state = Spins::new(self.program.units);
        (0..self.program.units)
            .filter(|&unit| down[unit / BLOCK].0[unit % BLOCK] == 0)
            .for_each(|unit| state.set(unit, true));
        state
    }

    /// A bit for each unit of a block that lies below its threshold.
    #[inline(always)]
    fn below(&self, block: usize, thresholds: &[i8; BLOCK]) -> u64 {
        let (f, bw) = (self.program.simd.avx512f, self.program.simd.avx512bw);
        let (down, fields) = (pulp::cast(self.down[block].0), pulp::cast(self.fields[block].0));
        let aligned = bw._mm512_sub_epi8(f._mm512_xor_si512(fields, down), down);
        bw._mm512_cmplt_epi8_mask(aligned, pulp::cast(*thresholds))
    }

    /// Every unit once, in order; true if any turned.
    #[inline(always)]
    fn sweep(&mut self, thresholds: Thresholds, random: &mut Lanes) -> bool {
        let largest = [byte(thresholds.largest()); BLOCK];
        let mut any = false;
        for block in 0..self.program.blocks {
            // Where no random number would turn a unit, none is drawn.
            if self.below(block, &largest) == 0 {
                continue;
            }
            let drawn = thresholds.draw(random).map(byte);
            let mut below = self.below(block, &drawn);
            any |= below != 0;
            while below != 0 {
                let at = below.trailing_zeros() as usize;
                self.flip(block, at);
                // Those behind it, by the fields that it left.
                below = self.below(block, &drawn) & (!0 << at << 1);
            }
        }
        any
    }

    #[inline(always)]
    fn flip(&mut self, block: usize, at: usize) {
        let (program, unit) = (self.program, block * BLOCK + at);
        let down = self.down[block].0[at];
        self.energy += 2 * i64::from((self.fields[block].0[at] ^ down).wrapping_sub(down));
        self.down[block].0[at] = !down;
        let (f, bw) = (program.simd.avx512f, program.simd.avx512bw);
        // The row, or its negative where the unit was +1.
        let turned = pulp::cast([!down; BLOCK]);
        for (fields, row) in self.fields.iter_mut().zip(program.row(unit)) {
            let step = bw._mm512_sub_epi8(f._mm512_xor_si512(pulp::cast(row.0), turned), turned);
            fields.0 = pulp::cast(bw._mm512_add_epi8(pulp::cast(fields.0), step));
        }
    }
}
