//! Random thresholds, sixty-four at a time: what a unit's x h must lie below for the unit to be flipped.
//!
//! A decision compares a uniform number U with the probability of turning. Solved for the field, Metropolis turns if
//! x h < -(T / 2) ln U, the heat bath if x h < (T / 2) (ln(1 - U) - ln U): the right sides know nothing of the state, so
//! they are made many at a time, without a branch, and a decision is one comparison.

use super::Dynamics;
use crate::random::Philox;

/// Numbers made at once.
pub(super) const BLOCK: usize = 64;

/// Generators side by side; each gives two numbers per step.
const LANES: usize = BLOCK / 2;

/// Thirty-two generators xoshiro256++ side by side; each step gives sixty-four 32-bit numbers. (Eight generators, which
/// would stay in registers, were compiled to moves between scalar and vector registers and took three times as long.)
///
/// Philox costs ten rounds of multiplications a block, more than everything else that an update does. Here it only sets
/// the 32 x 256 bits of state, a function of (seed, stream). The generators' states then lie at random on a cycle of
/// 2^256 - 1, so that two of 2^40 generators (all lanes of all streams of a study), each used for 2^50 steps, overlap with
/// a probability below 2^-120. All 64 bits of an output are of equal quality (BigCrush passes); the lane's low half and
/// high half are used as two numbers.
///
/// # Source
/// Blackman and Vigna 2021, *Scrambled linear pseudorandom number generators*.
#[derive(Debug, Clone)]
pub(super) struct Lanes {
    state: [[u64; LANES]; 4],
}

impl Lanes {
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Philox::new(seed, stream);
        let mut state = [[0; LANES]; 4];
        state.iter_mut().flatten().for_each(|word| *word = random.next_u64());
        // The state of zeros repeats itself; it comes once in 2^256 seeds, and costs a line to exclude.
        state[0].iter_mut().for_each(|word| *word |= 1);
        Self { state }
    }

    #[inline(always)]
    pub fn next(&mut self) -> [u32; BLOCK] {
        let [a, b, c, d] = &mut self.state;
        let mut out = [0u32; BLOCK];
        for lane in 0..LANES {
            let result = a[lane].wrapping_add(d[lane]).rotate_left(23).wrapping_add(a[lane]);
            out[lane] = result as u32;
            out[LANES + lane] = (result >> 32) as u32;
            let t = b[lane] << 17;
            c[lane] ^= a[lane];
            d[lane] ^= b[lane];
            b[lane] ^= c[lane];
            a[lane] ^= d[lane];
            c[lane] ^= t;
            d[lane] = d[lane].rotate_left(45);
        }
        out
    }
}

/// ln x for normal positive x: within 1e-7 of it, and another half unit in the last place of the result.
///
/// x = 2^e m, m in [sqrt(1/2), sqrt 2); ln m = r - r^2 / 2 + r^3 P(r), r = m - 1, P of degree five fitted to the least
/// largest error.
#[inline(always)]
fn ln(x: f32) -> f32 {
    const SQRT_HALF: i32 = 0x3f35_04f3;
    let bits = x.to_bits() as i32;
    let exponent = (bits - SQRT_HALF) >> 23;
    let r = f32::from_bits((bits - (exponent << 23)) as u32) - 1.0;
    let mut p = -0.102_241_434f32;
    for c in [0.161_411_73, -0.171_669_21, 0.199_102_39, -0.249_805_73, 0.333_346_9] {
        p = p.mul_add(r, c);
    }
    let of_m = (r * r).mul_add(p.mul_add(r, -0.5), r);
    (exponent as f32).mul_add(std::f32::consts::LN_2, of_m)
}

/// The thresholds of a rule at a temperature.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thresholds {
    rule: Dynamics,
    half: f32,
}

impl Thresholds {
    /// Numbers (k + 1/2) / 2^23, k = 0..2^23: a probability is met to 2^-23, none of 0 < p < 2^-24 is.
    const STEPS: f32 = 8_388_608.0;

    pub fn new(rule: Dynamics, temperature: f64) -> Self {
        // Half a temperature that is no f32 is the nearest that is one, so that no threshold is NaN (0 x infinity).
        let half = ((temperature / 2.0) as f32).clamp(f32::MIN_POSITIVE, f32::MAX / 64.0);
        Self { rule, half }
    }

    /// No threshold is larger: a field at or above it decides without a random number.
    pub fn largest(self) -> f32 {
        self.of(0)
    }

    #[inline(always)]
    pub fn of(self, number: u32) -> f32 {
        let k = (number >> 9) as i32 as f32 + 0.5;
        let minus_ln = ln(Self::STEPS) - ln(k);
        match self.rule {
            Dynamics::Metropolis => self.half * minus_ln,
            // U -> 1 - U maps the numbers onto themselves, so the threshold is exactly odd.
            Dynamics::HeatBath => self.half * (ln(Self::STEPS - k) - ln(k)),
        }
    }

    #[inline(always)]
    pub fn draw(self, random: &mut Lanes) -> [f32; BLOCK] {
        let numbers = random.next();
        let mut out = [0.0; BLOCK];
        // The rule is the same for all: chosen outside, so that the loops have no branch.
        match self.rule {
            Dynamics::Metropolis => {
                let rule = Self { rule: Dynamics::Metropolis, ..self };
                for lane in 0..BLOCK {
                    out[lane] = rule.of(numbers[lane]);
                }
            }
            Dynamics::HeatBath => {
                let rule = Self { rule: Dynamics::HeatBath, ..self };
                for lane in 0..BLOCK {
                    out[lane] = rule.of(numbers[lane]);
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The authors' reference sequence of xoshiro256++ from state (1, 2, 3, 4).
    #[test]
    fn the_generator_gives_the_known_answers() {
        let mut lanes = Lanes { state: [[1; LANES], [2; LANES], [3; LANES], [4; LANES]] };
        for expected in [41943041u64, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205] {
            let out = lanes.next();
            assert!((0..LANES).all(|lane| u64::from(out[lane]) | u64::from(out[lane + LANES]) << 32 == expected));
        }
    }

    #[test]
    fn the_fast_logarithm_agrees_with_ln() {
        for at in 0..200_000u32 {
            let x = 0.5 + at as f32 * 41.7;
            let error = (f64::from(ln(x)) - f64::from(x).ln()).abs();
            assert!(error < 1e-7 + 6e-8 * f64::from(x).ln().abs().max(1.0), "{x}: {error}");
        }
    }

    struct Count {
        thresholds: Thresholds,
        aligned: f32,
    }

    impl pulp::WithSimd for Count {
        type Output = u32;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> u32 {
            let mut count = 0u32;
            for k in 0..1u32 << 23 {
                count += u32::from(self.aligned < self.thresholds.of(k << 9));
            }
            count
        }
    }

    /// Every one of the 2^23 numbers: the share of those that turn a unit is the rule's probability.
    #[test]
    fn over_all_random_numbers_a_spin_flips_with_the_probability_of_the_rule() {
        let cases = [(0.0, 0.8), (1.0, 0.8), (-1.0, 1.3), (3.0, 1.3), (0.37, 0.05), (2.0, 0.45), (40.0, 25.0)];
        for rule in [Dynamics::HeatBath, Dynamics::Metropolis] {
            for (aligned, temperature) in cases {
                let thresholds = Thresholds::new(rule, temperature);
                let count = pulp::Arch::new().dispatch(Count { thresholds, aligned: aligned as f32 });
                let (share, p) = (f64::from(count) / 2f64.powi(23), rule.flip_probability(aligned, temperature));
                // The grid; and the logarithm's error, relative in p.
                let allowed = 2f64.powi(-23) + 4e-6 * p;
                assert!((share - p).abs() <= allowed, "{rule:?} {aligned} {temperature}: {share} for {p}");
            }
        }
    }

    #[test]
    fn no_threshold_passes_the_largest_and_none_is_nan() {
        for rule in [Dynamics::HeatBath, Dynamics::Metropolis] {
            for temperature in [1e-300, 1e-3, 1.0, 1e300] {
                let thresholds = Thresholds::new(rule, temperature);
                for number in (0..=u32::MAX).step_by(65_521).chain([0, 511, 512, u32::MAX]) {
                    assert!(thresholds.of(number) <= thresholds.largest());
                }
            }
        }
    }

    #[test]
    fn streams_differ_and_repeat() {
        assert_eq!(Lanes::new(1, 2).next(), Lanes::new(1, 2).next());
        assert_ne!(Lanes::new(1, 2).next(), Lanes::new(1, 3).next());
    }
}
