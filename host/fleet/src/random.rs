/// Numbers that look random and follow from a seed alone: splitmix64, as published by Steele, Lea and Flood in "Fast
/// splittable pseudorandom number generators" (2014). Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

/// The fraction of the golden ratio, in 64 bits.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A number that follows from a seed and these words, the same on every machine.
pub fn stable_hash(seed: u64, words: &[&str]) -> u64 {
    let mut hash = mixed(seed.wrapping_add(GAMMA));
    for word in words {
        for byte in word.bytes() {
            // FNV-1a, per byte.
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        hash = mixed(hash.wrapping_add(GAMMA));
    }
    hash
}

impl Random {
    /// The numbers that follow from this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The numbers that follow from a seed and these words: what is decided about one thing does not depend on what
    /// was decided about others before.
    pub fn of(seed: u64, words: &[&str]) -> Self {
        Self(stable_hash(seed, words))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mixed(self.0)
    }

    /// A number below `limit`; 0 when that is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        // The bias of the remainder is below 2^-40 for every limit used here.
        self.number().checked_rem(limit).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// Whether something happens that happens this many times in a thousand.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// One of these; `None` when there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        from.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_splitmix64() {
        // The first numbers of the reference implementation (prng.di.unimi.it/splitmix64.c) for the seed 1234567.
        let mut random = Random::new(1_234_567);
        let first = [random.number(), random.number(), random.number()];
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn keeps_to_its_bounds() {
        let mut random = Random::new(7);
        let drawn: Vec<_> = (0..1000).map(|_| random.between(3, 5)).collect();
        assert!((3..=5).all(|n| drawn.contains(&n)) && drawn.iter().all(|n| (3..=5).contains(n)));
        assert_eq!((random.below(0), random.between(9, 9)), (0, 9));
        assert_eq!(random.pick::<u8>(&[]), None);
        assert!((0..100).all(|_| random.chance(1000) && !random.chance(0)));
    }

    #[test]
    fn words_are_told_apart_by_where_they_end() {
        assert_ne!(stable_hash(1, &["ab", "c"]), stable_hash(1, &["a", "bc"]));
        assert_ne!(stable_hash(1, &["ab"]), stable_hash(2, &["ab"]));
    }
}
