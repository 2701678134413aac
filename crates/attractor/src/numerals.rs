//! Numbers in words, where a person reads them.

/// A number to so many significant digits, plain where that is short: "0", "1.402", "3.2e-7".
///
/// # Example
/// ```
/// use attractor::numerals::significant;
/// assert_eq!([0.0, 1.4021, 3.21e-7].map(|x| significant(x, 2)), ["0", "1.4", "3.2e-7"]);
/// ```
pub fn significant(value: f64, digits: usize) -> String {
    let decimals = digits.max(1) - 1;
    if value == 0.0 {
        return "0".to_string();
    }
    if !value.is_finite() || !(1e-2..1e6).contains(&value.abs()) {
        return format!("{value:.decimals$e}");
    }
    let before = value.abs().log10().floor() as i32;
    format!("{value:.*}", (decimals as i32 - before).max(0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_that_count() {
        let shown = [0.0, -0.0, 0.05, 1.40234, 10.305314, 123456.7, 1e6, -2.5e-9, f64::NAN].map(|x| significant(x, 3));
        assert_eq!(shown, ["0", "0", "0.0500", "1.40", "10.3", "123457", "1.00e6", "-2.50e-9", "NaN"]);
    }
}
