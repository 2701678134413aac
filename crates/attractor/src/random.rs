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

/// Which stream a job draws what from: the one place where stream numbers are made.
///
/// Within a job, which has one seed, two purposes never share a stream; two jobs may. Recorded results hang on these
/// numbers, so a purpose keeps its own and a new one takes numbers that its job leaves free.
///
/// | job                   | purpose: stream                                                            |
/// |-----------------------|----------------------------------------------------------------------------|
/// | any                   | what it starts from (patterns, a glass, weights): [`GIVEN`](stream::GIVEN) |
/// | anything done per row | row, read or query n: [`item`](stream::item)                               |
/// | recall                | cue n: [`item`](stream::item); its updates: [`updates_of`](stream::updates_of) |
/// | unlearning            | a dream's start: [`dream`](stream::dream); its updates: [`updates_of_dream`](stream::updates_of_dream) |
/// | capacity              | patterns and cues: [`pattern_set`](stream::pattern_set); updates: [`updates_in_set`](stream::updates_in_set) |
/// | dense capacity        | patterns: [`dense_set`](stream::dense_set)                                 |
/// | tempering             | exchanges: [`EXCHANGES`](stream::EXCHANGES); a rung: [`rung`](stream::rung) |
/// | RBM training          | a row in an update: [`row`](stream::row); the order of an epoch: [`epoch`](stream::epoch) |
/// | tempered RBM chains   | swaps, under a key of their own: [`swap`](stream::swap)                    |
/// | language model        | a sequence: [`sequence`](stream::sequence); a tensor's first numbers: [`tensor`](stream::tensor) |
/// | evidence              | masked positions of input n: [`masked`](stream::masked); its probe: [`probe`](stream::probe); the projection of the last state: [`PROJECTION`](stream::PROJECTION) |
/// | RBM completion        | the cue of row n: [`cue_of`](stream::cue_of); its chains: [`row`](stream::row); the recall beside it: [`recall_beside`](stream::recall_beside) |
/// | judgement             | a [`JudgementStream`](stream::JudgementStream) purpose and its own counter: [`judged`](stream::judged) |
///
/// A recall by weights that were unlearned with the same seed shares numbers with the dreams, which use them otherwise.
pub mod stream {
    /// What a job is given or starts from: random patterns, a spin glass, the first weights.
    pub const GIVEN: u64 = u64::MAX;

    /// Which rows are held out.
    pub const SPLIT: u64 = u64::MAX - 1;

    /// Item number `n` of a job that draws for its items alone: a row, a read, a query, a cue; below 2^32 in a recall.
    pub const fn item(n: u64) -> u64 {
        n
    }

    /// The order of updates in the recall from cue number `n`, below 2^32.
    pub const fn updates_of(n: u64) -> u64 {
        1 << 32 | n
    }

    /// The random state that dream number `n` starts from.
    pub const fn dream(n: u64) -> u64 {
        2 * n
    }

    /// The order of updates in dream number `n`.
    pub const fn updates_of_dream(n: u64) -> u64 {
        2 * n + 1
    }

    /// Set number `set`, below 2^20, of `count` patterns, below 2^32: the patterns, then their cues.
    pub const fn pattern_set(set: u64, count: u64) -> u64 {
        set << 32 | count
    }

    /// The order of updates in the recall of pattern `cue`, below 2^32, of set number `set`, below 2^20.
    pub const fn updates_in_set(set: u64, cue: u64) -> u64 {
        1 << 63 | set << 32 | cue
    }

    /// Set number `set` of `count` patterns of `units` units: apart for each set and count below 2^32 at one number of
    /// units, and over numbers of units below 256.
    pub const fn dense_set(set: u64, units: u64, count: u64) -> u64 {
        (set << 40) ^ (units << 32) ^ count
    }

    /// Exchanges between the rungs of a ladder of temperatures.
    pub const EXCHANGES: u64 = 0;

    /// The copy that starts on rung `at`.
    pub const fn rung(at: u64) -> u64 {
        at + 1
    }

    /// Row number `row` in update number `update`, below 2^31: its top bit is clear.
    pub const fn row(update: u32, row: u32) -> u64 {
        (update as u64) << 32 | row as u64
    }

    /// The order of the rows in epoch number `epoch`, below 2^63 - 1.
    pub const fn epoch(epoch: u64) -> u64 {
        1 << 63 | epoch
    }

    /// Sequence number `n` of a language model's training, below 2^40 - 1.
    pub const fn sequence(n: u64) -> u64 {
        n + 1
    }

    /// The first numbers of tensor number `at` of a language model.
    pub const fn tensor(at: u64) -> u64 {
        (1 << 40) + at
    }

    /// The cue of completed row number `n`, below 2^62.
    pub const fn cue_of(n: u64) -> u64 {
        1 << 63 | n
    }

    /// The order of updates in the recall that completed row number `n`, below 2^62, is compared with.
    pub const fn recall_beside(n: u64) -> u64 {
        3 << 62 | n
    }

    /// The masked positions of input number `n`, below 2^32 ("mask").
    pub const fn masked(n: u64) -> u64 {
        0x6d61_736b_0000 + n
    }

    /// The predictions of input number `n` that are looked at, below 2^32 ("pred").
    pub const fn sampled(n: u64) -> u64 {
        0x7072_6564_0000 + n
    }

    /// The probe of input number `n`, below 2^32 ("prob").
    pub const fn probe(n: u64) -> u64 {
        0x7072_6f62_0000 + n
    }

    /// The projection of a last hidden state whose change stands for a loss ("proj").
    pub const PROJECTION: u64 = 0x7072_6f6a;

    /// What judgement draws.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum JudgementStream {
        /// Resampled inputs; counter: their number.
        Bootstrap = 1,
        /// Offset-stratified draws of repeated tokens; counter: the geometry.
        RepeatLabels = 2,
        /// Mismatched pairings of patterns and tokens; counter: number of inputs.
        RepeatPairings = 4,
        /// Mantel permutations; counter: the input.
        Mantel = 5,
        /// Sign flips; counter: number of inputs.
        Signs = 6,
        /// Shuffled token sequences; counter: number of inputs.
        Shuffle = 7,
        /// Mismatched pairings of the detectors; counter: number of inputs.
        DetectorPairings = 8,
        /// Sign flips shared by all heads; counter: number of inputs.
        SharedSigns = 9,
        /// Offset-stratified draws of the detectors; counter: detector and input.
        DetectorLabels = 10,
        /// Blocks along steps; counter: number of steps.
        Blocks = 11,
        /// Random words that are repeated; counter: the sequence.
        RepeatedWords = 12,
    }

    /// What judgement draws for a purpose, by a counter below 2^32.
    pub const fn judged(purpose: JudgementStream, counter: u64) -> u64 {
        (purpose as u64) << 32 | counter
    }

    /// What the detector of number `detector`, below 2^8, draws within input number `input`, below 2^24.
    pub const fn detected(detector: u64, input: u64) -> u64 {
        judged(JudgementStream::DetectorLabels, detector << 24 | input)
    }

    /// Seed and stream of the swap of slot number `slot`, below 2^24, in round number `round`, below 2^40, of replicas that
    /// are themselves drawn by `seed`.
    pub const fn swap(seed: u64, round: u64, slot: u64) -> (u64, u64) {
        (seed ^ 0x5A5A_0000_0000_5A5A, round << 24 | slot)
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

    /// Every job at the corners of its ranges: no two purposes, and no two items of a purpose, share a stream.
    #[test]
    fn streams_of_one_job_do_not_collide() {
        const LAST: u64 = u32::MAX as u64;
        let pairs = |a: &[u64], b: &[u64], of: fn(u64, u64) -> u64| -> Vec<u64> {
            a.iter().flat_map(|&a| b.iter().map(move |&b| of(a, b))).collect()
        };
        let cues = [0, 1, 2, LAST - 1, LAST];
        let sets = [0, 1, 2, (1 << 20) - 1];
        let recall = [cues.map(stream::item), cues.map(stream::updates_of)].concat();
        let dreams = [0, 1, 2, 1 << 40].map(|n| [stream::dream(n), stream::updates_of_dream(n)]).concat();
        let mut capacity = pairs(&sets, &cues, stream::pattern_set);
        capacity.extend(pairs(&sets, &cues, stream::updates_in_set));
        let sizes = [1, 2, 40, 64, 255];
        let dense = sets.iter().flat_map(|&set| {
            sizes.iter().flat_map(move |&units| cues.map(|count| stream::dense_set(set, units, count)))
        });
        let ladder = [&[stream::EXCHANGES][..], &cues.map(stream::rung)].concat();
        let mut training = pairs(&[0, 1, (1 << 31) - 1], &cues, |update, row| stream::row(update as u32, row as u32));
        training.extend([0, 1, 1 << 62, (1 << 63) - 2].map(stream::epoch));
        let mut completion = pairs(&[0, 1, (1 << 31) - 1], &cues, |update, row| stream::row(update as u32, row as u32));
        completion.extend([cues.map(stream::cue_of), cues.map(stream::recall_beside)].concat());
        let model = [[0, 1, (1 << 40) - 2].map(stream::sequence), [0, 1, 1 << 20].map(stream::tensor)].concat();
        let evidence = [&cues.map(stream::masked)[..], &cues.map(stream::probe), &[stream::PROJECTION]].concat();
        use stream::JudgementStream::{
            Blocks, Bootstrap, DetectorLabels, DetectorPairings, Mantel, RepeatLabels, RepeatPairings, RepeatedWords,
            SharedSigns,
        };
        let purposes = [
            Bootstrap,
            RepeatLabels,
            RepeatPairings,
            Mantel,
            stream::JudgementStream::Signs,
            stream::JudgementStream::Shuffle,
            DetectorPairings,
        ];
        let purposes = purposes.into_iter().chain([SharedSigns, DetectorLabels, Blocks, RepeatedWords]);
        let judged = purposes.flat_map(|purpose| cues.map(|n| stream::judged(purpose, n)));
        let swaps = pairs(&[0, 1, (1 << 40) - 1], &[0, 1, (1 << 24) - 1], |round, slot| stream::swap(0, round, slot).1);
        assert_ne!(stream::swap(5, 0, 0).0, 5);
        for (job, mut streams) in [
            ("recall", recall),
            ("unlearning", dreams),
            ("RBM completion", completion),
            ("capacity", capacity),
            ("dense capacity", dense.collect()),
            ("tempering", ladder),
            ("training", training),
            ("language model", model),
            ("evidence", evidence),
            ("judgement", judged.collect()),
            ("swaps", swaps),
        ] {
            // Swaps have a key of their own, under which nothing else is drawn.
            if job != "swaps" {
                streams.push(stream::GIVEN);
            }
            let count = streams.len();
            streams.sort_unstable();
            streams.dedup();
            assert_eq!(streams.len(), count, "{job}");
        }
    }

    /// Recorded results hang on these numbers.
    #[test]
    fn streams_keep_their_numbers() {
        let all = [
            stream::item(7),
            stream::updates_of(7),
            stream::dream(7),
            stream::updates_of_dream(7),
            stream::pattern_set(3, 7),
            stream::updates_in_set(3, 7),
            stream::dense_set(3, 40, 7),
            stream::rung(7),
            stream::row(3, 7),
            stream::epoch(7),
        ];
        let expected = [
            7,
            0x1_0000_0007,
            14,
            15,
            0x3_0000_0007,
            0x8000_0003_0000_0007,
            0x328_0000_0007,
            8,
            0x3_0000_0007,
            0x8000_0000_0000_0007,
        ];
        assert_eq!(all, expected);
        assert_eq!(stream::swap(0, 3, 7), (0x5A5A_0000_0000_5A5A, 0x300_0007));
    }
}
