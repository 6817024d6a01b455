//! Medians, and how a figure is written.

use std::time::Duration;

/// The median; NaN of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().filter(|v| !v.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// The least; NaN of nothing.
pub fn least(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(f64::NAN, f64::min)
}

/// Median and least, as a cell has them.
pub fn both(values: impl IntoIterator<Item = f64>) -> String {
    let values: Vec<f64> = values.into_iter().collect();
    format!("{} / {}", short(median(values.iter().copied())), short(least(values)))
}

/// Milliseconds of a duration.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Three figures that matter.
pub fn short(value: f64) -> String {
    match value {
        v if v.is_nan() => "-".into(),
        v if v.abs() >= 100.0 => format!("{v:.0}"),
        v if v.abs() >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{both, least, median, short};

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([1.0, 2.0]), 1.5);
        assert!(median([]).is_nan() && least([]).is_nan());
        assert_eq!((least([2.0, 1.0, f64::NAN]), both([1.0, 4.0])), (1.0, "2.50 / 1.00".into()));
        assert_eq!([short(1.234), short(12.34), short(123.4), short(f64::NAN)], ["1.23", "12.3", "123", "-"]);
    }
}
