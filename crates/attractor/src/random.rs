//! Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011).
//!
//! A draw is a function of (seed, stream, counter), so results do not depend on threads or on the order of work.

/// One stream of random numbers, keyed by a seed and a stream number.
///
/// Two streams of one seed are independent; a clone continues at the same place.
///
/// # Source
/// J. K. Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC 2011; ten rounds.
#[derive(Debug, Clone)]
pub struct Philox {
    key: [u32; 2],
    stream: u64,
    counter: u64,
    block: [u32; 4],
    used: usize,
}

impl Philox {
    /// Stream number `stream` of `seed`, at its beginning.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], stream, counter: 0, block: [0; 4], used: 4 }
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            let c = self.counter;
            let s = self.stream;
            self.block = philox(self.key, [c as u32, (c >> 32) as u32, s as u32, (s >> 32) as u32]);
            self.counter += 1;
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | (u64::from(self.next_u32()) << 32)
    }

    /// Uniform on [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform on 0..n without bias.
    ///
    /// # Panics
    /// If `n` is zero.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "random: no number is below 0");
        let n = n as u64;
        // Lemire's method: reject the few low products that would favour some values. Only a low product below n can be
        // among them, so that the division is hardly ever made.
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= n || product as u64 >= n.wrapping_neg() % n {
                return (product >> 64) as usize;
            }
        }
    }

    /// Standard normal (Box-Muller; one of the pair is dropped so that a draw is a function of the position).
    pub fn normal(&mut self) -> f64 {
        let u = 1.0 - self.uniform();
        let v = self.uniform();
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// Shuffles in place, each order equally likely (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// A random order of 0..n.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }
}

/// Ten rounds of Philox4x32 on one counter.
fn philox(mut key: [u32; 2], mut x: [u32; 4]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(x[0]) * 0xD251_1F53;
        let b = u64::from(x[2]) * 0xCD9E_8D57;
        x = [(b >> 32) as u32 ^ x[1] ^ key[0], b as u32, (a >> 32) as u32 ^ x[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the authors' own test file (kat_vectors of Random123).
    #[test]
    fn philox_gives_the_known_answers() {
        assert_eq!(philox([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 2], [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }

    #[test]
    fn draws_below_n_are_uniform_within_five_standard_errors() {
        let mut random = Philox::new(7, 0);
        let (n, draws) = (6, 60_000);
        let mut counts = vec![0usize; n];
        for _ in 0..draws {
            counts[random.below(n)] += 1;
        }
        let p = 1.0 / n as f64;
        let se = (draws as f64 * p * (1.0 - p)).sqrt();
        assert!(counts.iter().all(|&c| (c as f64 - draws as f64 * p).abs() < 5.0 * se), "{counts:?}");
    }

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |stream| (0..8).map(|_| Philox::new(1, stream).next_u32()).collect::<Vec<_>>();
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
