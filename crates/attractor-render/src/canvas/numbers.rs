//! Numbers as figures write them: few characters, powers of ten where digits would not fit.

/// A number in as few characters as tell it: "0.25", "10⁻³", "1 200".
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_string();
    }
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN".to_string()
        } else if value > 0.0 {
            "∞".to_string()
        } else {
            "−∞".to_string()
        };
    }
    let text = if (1e-3..1e6).contains(&size) {
        let digits = (3 - size.log10().floor() as i32 - 1).clamp(0, 6) as usize;
        let text = format!("{value:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
    } else {
        let exponent = size.log10().floor();
        let mut mantissa = format!("{:.1}", value / 10f64.powf(exponent));
        let mut exponent = exponent as i32;
        if mantissa.trim_start_matches('-') == "10.0" {
            mantissa = mantissa.replace("10.0", "1.0");
            exponent += 1;
        }
        let mantissa = mantissa.trim_end_matches(".0");
        let power = superscript(exponent);
        match mantissa {
            "1" => format!("10{power}"),
            "-1" => format!("-10{power}"),
            _ => format!("{mantissa}·10{power}"),
        }
    };
    text.replace('-', "−")
}

/// A share in per cent, to three digits: "33.3 %".
pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent == 0.0 || !percent.is_finite() {
        return format!("{percent} %");
    }
    let digits = (2 - percent.abs().log10().floor() as i32).clamp(0, 12);
    let factor = 10f64.powi(digits);
    let shown = (percent * factor).round() / factor;
    if shown.abs() < 1e-4 { format!("{percent:.2e} %") } else { format!("{shown} %") }
}

/// A number as short as it is exact, large and small ones as powers of ten: "8", "0.3", "1e300".
pub fn exact(value: f64) -> String {
    let plain = value == 0.0 || !value.is_finite() || (1e-5..1e9).contains(&value.abs());
    if plain { value.to_string() } else { format!("{value:e}") }
}

/// A number with so many decimals, or as a power of ten where those would say nothing, or too much.
pub fn decimal(value: f64, decimals: usize) -> String {
    let plain = value == 0.0 || (10f64.powi(-(decimals as i32)) * 10.0..1e9).contains(&value.abs());
    if plain || !value.is_finite() { format!("{value:.decimals$}") } else { format!("{value:.decimals$e}") }
}

/// "1 input", "3 inputs".
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A whole number as an exponent: "⁻³".
pub fn superscript(number: i32) -> String {
    number
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            '9' => '⁹',
            _ => '⁰',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_numbers_lose_nothing() {
        assert_eq!([8.0, 0.3, 1e300, 1.5e-7].map(exact), ["8", "0.3", "1e300", "1.5e-7"]);
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (0.123456, "0.123"),
            (12.3456, "12.3"),
            (1234.5, "1234"),
            (-0.5, "−0.5"),
            (2.38e-7, "2.4·10⁻⁷"),
            (1e-12, "10⁻¹²"),
            (9.99e-9, "10⁻⁸"),
            (-1e-6, "−10⁻⁶"),
            (f64::NAN, "NaN"),
            (3.0e9, "3·10⁹"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn shares_are_told_to_three_digits() {
        let shown = [0.0, 1.0, 0.1, 1.0 / 3.0, 0.001, 0.29, 0.00000123, 1e-12].map(percent);
        assert_eq!(shown, ["0 %", "100 %", "10 %", "33.3 %", "0.1 %", "29 %", "0.000123 %", "1.00e-10 %"]);
    }

    #[test]
    fn numbers_are_shown_so_that_they_can_be_read() {
        let shown = [0.0, 1.0, -1.52344, 123456.5, 0.0123, 0.000123, 1e12, -2.5e300, f64::NAN].map(|x| decimal(x, 4));
        assert_eq!(
            shown,
            ["0.0000", "1.0000", "-1.5234", "123456.5000", "0.0123", "1.2300e-4", "1.0000e12", "-2.5000e300", "NaN"]
        );
    }
}
