//! No text makes the reader of thresholds files panic; what it takes keeps every law of a thresholds file.

use attractor_judge::Config;
use attractor_judge::config::THRESHOLDS;
use proptest::prelude::*;

/// Values that are out of range, odd, or of another type.
const VALUES: [&str; 12] =
    ["nan", "-inf", "1e308", "-0.0", "9223372036854775807", "'x'", "true", "[1]", "{ a = 1 }", "2026-01-01", "0.5", ""];

fn read(text: &str) -> Result<(), TestCaseError> {
    let Ok(config) = Config::from_toml(text, "t.toml") else { return Ok(()) };
    for threshold in THRESHOLDS {
        let value = config.get(threshold.key);
        prop_assert!(threshold.range.0 <= value && value <= threshold.range.1, "{} = {value}", threshold.name);
        prop_assert!(!threshold.count || value.fract() == 0.0, "{} = {value}", threshold.name);
    }
    let again = Config::from_toml(&config.to_toml(), "t.toml");
    let again = again.map_err(|e| TestCaseError::fail(format!("{text:?}: what was written is refused: {e}")))?;
    prop_assert!(THRESHOLDS.iter().all(|t| again.get(t.key).to_bits() == config.get(t.key).to_bits()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fuzz_any_text_is_thresholds_or_refused(text in "\\PC{0,80}", lines in "([a-z_.]{1,12} ?= ?[0-9.e'-]{0,6}\n){0,4}") {
        read(&text)?;
        read(&lines)?;
    }

    #[test]
    fn fuzz_changed_thresholds_are_read_or_refused(
        at in any::<prop::sample::Index>(),
        length in 0usize..30,
        put in prop_oneof![prop::sample::select(VALUES.to_vec()).prop_map(String::from), "\\PC{0,8}"],
    ) {
        let whole = Config::default().to_toml();
        // Anywhere, and at a value, where most of what is read stands.
        let value = |at: usize| whole.match_indices("= ").nth(at % THRESHOLDS.len()).map_or(0, |(place, _)| place + 2);
        for start in [at.index(whole.len()), value(at.index(usize::MAX))] {
            let Some(before) = whole.get(..start) else { continue };
            if let Some(after) = whole.get((start + length).min(whole.len())..) {
                read(&format!("{before}{put}{after}"))?;
            }
            let rest = whole[start..].find('\n').map_or("", |end| &whole[start + end..]);
            read(&format!("{before}{put}{rest}"))?;
        }
    }
}
