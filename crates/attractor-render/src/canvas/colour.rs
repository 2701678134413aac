//! Colours: maps that survive colour blindness and grey printing, and the scales that numbers reach them by.

use attractor::{Error, Result};

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// What is not a number. No sequential map holds a colour like it.
pub const NAN: Rgb = [255, 0, 200];

attractor::choice! {
    /// A colour map.
    #[derive(Default)]
    pub enum ColourMap {
        /// Dark violet to yellow, in even steps of lightness: readable with every common colour blindness and in grey.
        #[default]
        Viridis = "viridis",
        /// Blue to yellow, the same with and without red-green blindness.
        Cividis = "cividis",
        /// Black over purple to cream.
        Magma = "magma",
        /// White to dark blue, for print.
        Blues = "blues",
        /// Black to white.
        Greys = "greys",
        /// Blue below the middle, white in it, red above: for differences.
        BlueRed = "blue-red",
        /// Purple below the middle, white in it, orange above: for differences.
        PurpleOrange = "purple-orange",
    }
}

impl ColourMap {
    /// Its colour at `t` in [0, 1]; what lies outside is clamped, NaN is [`NAN`].
    pub fn at(self, t: f64) -> Rgb {
        if t.is_nan() {
            return NAN;
        }
        let (gradient, t) = match self {
            Self::Viridis => (colorous::VIRIDIS, t),
            Self::Cividis => (colorous::CIVIDIS, t),
            Self::Magma => (colorous::MAGMA, t),
            Self::Blues => (colorous::BLUES, t),
            Self::Greys => (colorous::GREYS, 1.0 - t),
            Self::BlueRed => (colorous::RED_BLUE, 1.0 - t),
            Self::PurpleOrange => (colorous::PURPLE_ORANGE, t),
        };
        let colour = gradient.eval_continuous(t.clamp(0.0, 1.0));
        [colour.r, colour.g, colour.b]
    }

    /// This map, for numbers that have no middle.
    ///
    /// # Errors
    /// `is_usage` for a map of differences.
    pub fn sequential(self) -> Result<Self> {
        match self.is_diverging() {
            false => Ok(self),
            true => {
                Err(Error::option("colours", self, "is for differences, and nothing here has a middle; give another"))
            }
        }
    }

    /// True if its middle means "no difference".
    pub fn is_diverging(self) -> bool {
        matches!(self, Self::BlueRed | Self::PurpleOrange)
    }
}

/// "#rrggbb".
pub fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// True if black text reads better than white on `colour` (WCAG relative luminance).
pub fn is_light(colour: Rgb) -> bool {
    let linear = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    let [r, g, b] = colour.map(linear);
    // Where the contrast with black equals that with white: (L + 0.05)^2 = 1.05 x 0.05.
    0.2126 * r + 0.7152 * g + 0.0722 * b > 0.1791
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequential_maps_grow_steadily_in_lightness() {
        let lightness = |c: Rgb| {
            0.2126 * f64::from(c[0]).powf(2.2) + 0.7152 * f64::from(c[1]).powf(2.2) + 0.0722 * f64::from(c[2]).powf(2.2)
        };
        for map in [ColourMap::Viridis, ColourMap::Cividis, ColourMap::Magma] {
            let all: Vec<f64> = (0..=32).map(|i| lightness(map.at(f64::from(i) / 32.0))).collect();
            assert!(all.windows(2).all(|w| w[0] < w[1]), "{map:?}");
        }
    }

    #[test]
    fn nothing_finite_looks_like_nan() {
        for map in [
            ColourMap::Viridis,
            ColourMap::Cividis,
            ColourMap::Magma,
            ColourMap::Blues,
            ColourMap::Greys,
            ColourMap::BlueRed,
            ColourMap::PurpleOrange,
        ] {
            for i in 0..=253 {
                let c = map.at(f64::from(i) / 253.0);
                let far: i32 = (0..3).map(|j| (i32::from(c[j]) - i32::from(NAN[j])).abs()).sum();
                assert!(far > 100, "{map:?} {i} {c:?}");
            }
            assert_eq!(map.at(f64::NAN), NAN);
        }
    }

    #[test]
    fn differences_are_white_in_the_middle_and_red_above() {
        let scale = crate::canvas::scale::Scale::centred(0.3).unwrap();
        let [r, g, b] = ColourMap::BlueRed.at(scale.position(0.0));
        assert!(r > 235 && g > 235 && b > 235);
        let [r, _, b] = ColourMap::BlueRed.at(scale.position(0.3));
        assert!(r > b);
        let [r, _, b] = ColourMap::PurpleOrange.at(scale.position(0.3));
        assert!(r > b);
    }
}
