//! Shared by the tests of the allocators: random choices that can be repeated.

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every platform.
pub(crate) struct Random(u64);

impl Random {
    /// Starts from the seed in `HAPPENS_BEFORE_SEED`, or else from `default`, and prints it; a failing test shows it.
    pub(crate) fn seeded(default: u64) -> Self {
        let seed = std::env::var("HAPPENS_BEFORE_SEED").map_or(default, |seed| seed.parse().expect("a number"));
        println!("seed: HAPPENS_BEFORE_SEED={seed}");
        Self(seed)
    }

    /// Chooses one of 0, 1, ..., n - 1.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}
