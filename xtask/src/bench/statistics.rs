//! Medians and their spread. Every value counts: nothing is taken for an outlier.

use serde_json::{Value, json};

/// What a handful of measurements say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    /// How many there were.
    pub(super) n: usize,
    pub(super) min: f64,
    pub(super) lower_quartile: f64,
    pub(super) median: f64,
    pub(super) upper_quartile: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Of at least one value.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let [lower_quartile, median, upper_quartile] = [1, 2, 3].map(|quarter| quantile(&sorted, quarter));
        Some(Self { n: sorted.len(), min, lower_quartile, median, upper_quartile, max })
    }

    pub(super) fn to_json(self) -> Value {
        let Self { n, min, lower_quartile, median, upper_quartile, max } = self;
        json!({ "n": n, "median": median, "min": min, "lower_quartile": lower_quartile,
                "upper_quartile": upper_quartile, "max": max })
    }
}

/// A quartile of sorted values, between two neighbours by linear interpolation (type 7 of Hyndman and Fan).
fn quantile(sorted: &[f64], quarter: usize) -> f64 {
    let quarters = (sorted.len() - 1) * quarter;
    let (below, rest) = (quarters / 4, quarters % 4);
    let above = (below + 1).min(sorted.len() - 1);
    let part = [0.0, 0.25, 0.5, 0.75][rest];
    sorted[below] + (sorted[above] - sorted[below]) * part
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn quartiles_are_interpolated_and_order_does_not_matter() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.n, spread.min, spread.max), (4, 1.0, 4.0));
        assert_eq!((spread.lower_quartile, spread.median, spread.upper_quartile), (1.75, 2.5, 3.25));
    }

    #[test]
    fn one_value_is_its_own_median_and_none_has_none() {
        let spread = Spread::of(&[7.0]).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (7.0, 7.0, 7.0));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn an_outlier_shows_in_the_spread_and_not_in_the_median() {
        let spread = Spread::of(&[1.0, 1.0, 1.0, 1.0, 100.0]).unwrap();
        assert_eq!((spread.median, spread.max), (1.0, 100.0));
    }
}
