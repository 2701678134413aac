//! The kinds of numbers that the fields of sixty-four reads are held in: a byte, two, or a float.

/// The kind of number that fields are held in.
pub(super) trait Lane: bytemuck::Pod + Send + Sync + PartialEq {
    /// Fields up to this are held.
    const LARGEST: f64;
    /// x of a read, in the form that makes `aligned` cheap.
    const UP: Self;
    const DOWN: Self;
    const ZERO: Self;
    /// Sums of whole numbers are exact, and need no refreshing.
    const WHOLE: bool;

    fn of(x: f64) -> Self;
    fn wide(self) -> f32;
    fn threshold(t: f32) -> Self;
    /// x h.
    fn aligned(self, x: Self) -> Self;
    /// Is x h below the threshold: all bits or 1 if so, else 0.
    fn below(self, threshold: Self) -> Self;
    /// The other where accepted, else itself; both are x of a read.
    fn replaced(self, other: Self, accepted: Self) -> Self;
    /// x, turned where accepted.
    fn turned(self, accepted: Self) -> Self;
    /// The new x less the old.
    fn change(self, accepted: Self) -> Self;
    fn times(self, weight: Self) -> Self;
    fn plus(self, other: Self) -> Self;
}

macro_rules! whole {
    ($kind:ty, $largest:literal) => {
        impl Lane for $kind {
            // One below the kind's own, so that a threshold below every field and one above exist.
            const LARGEST: f64 = $largest;
            const UP: Self = 0;
            const DOWN: Self = -1;
            const ZERO: Self = 0;
            const WHOLE: bool = true;

            #[inline(always)]
            fn of(x: f64) -> Self {
                x as Self
            }
            #[inline(always)]
            fn wide(self) -> f32 {
                f32::from(self)
            }
            /// x h < t of whole x h is x h < ceil(t). Adding 1.5 x 2^23 rounds to a whole number that stands in the low bits.
            #[inline(always)]
            fn threshold(t: f32) -> Self {
                const MAGIC: f32 = 12_582_912.0;
                let t = t + 0.5;
                let t = if t > Self::MAX as f32 { Self::MAX as f32 } else { t };
                let t = if t < -$largest as f32 { -$largest as f32 } else { t };
                ((t + MAGIC).to_bits() as i32).wrapping_sub(MAGIC.to_bits() as i32) as Self
            }
            #[inline(always)]
            fn aligned(self, x: Self) -> Self {
                (self ^ x).wrapping_sub(x)
            }
            #[inline(always)]
            fn below(self, threshold: Self) -> Self {
                if self < threshold { -1 } else { 0 }
            }
            #[inline(always)]
            fn replaced(self, other: Self, accepted: Self) -> Self {
                self ^ ((self ^ other) & accepted)
            }
            #[inline(always)]
            fn turned(self, accepted: Self) -> Self {
                self ^ accepted
            }
            #[inline(always)]
            fn change(self, accepted: Self) -> Self {
                ((self & 4) - 2) & accepted
            }
            // The product of a step of 2 and a weight may leave the range, the new field does not: both wrap.
            #[inline(always)]
            fn times(self, weight: Self) -> Self {
                self.wrapping_mul(weight)
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
        }
    };
}

whole!(i8, 126.0);
whole!(i16, 32766.0);

impl Lane for f32 {
    const LARGEST: f64 = 1e30;
    const UP: Self = 1.0;
    const DOWN: Self = -1.0;
    const ZERO: Self = 0.0;
    const WHOLE: bool = false;

    #[inline(always)]
    fn of(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn wide(self) -> f32 {
        self
    }
    #[inline(always)]
    fn threshold(t: f32) -> Self {
        t
    }
    #[inline(always)]
    fn aligned(self, x: Self) -> Self {
        self * x
    }
    #[inline(always)]
    fn below(self, threshold: Self) -> Self {
        if self < threshold { 1.0 } else { 0.0 }
    }
    #[inline(always)]
    fn replaced(self, other: Self, accepted: Self) -> Self {
        // Of +-1 exact.
        self + (other - self) * accepted
    }
    #[inline(always)]
    fn turned(self, accepted: Self) -> Self {
        self + self.change(accepted)
    }
    #[inline(always)]
    fn change(self, accepted: Self) -> Self {
        -2.0 * self * accepted
    }
    #[inline(always)]
    fn times(self, weight: Self) -> Self {
        self * weight
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    #[test]
    fn thresholds_of_whole_numbers_decide_as_numbers_do() {
        let mut random = Philox::new(62, 0);
        for _ in 0..20_000 {
            let t = (300.0 * (random.uniform() - 0.5)) as f32;
            for field in [-126i8, -125, -3, 0, 1, 125, 126] {
                assert_eq!(field.below(i8::threshold(t)) == -1, f32::from(field) < t, "{field} {t}");
            }
            let t = t * 400.0;
            for field in [-32766i16, -20_001, 0, 1, 32766] {
                assert_eq!(field.below(i16::threshold(t)) == -1, f32::from(field) < t, "{field} {t}");
            }
        }
        for t in [f32::MAX, f32::INFINITY] {
            assert_eq!((i8::threshold(t), i8::threshold(-t)), (127, -126));
        }
    }
}
