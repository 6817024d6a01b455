//! What is wanted, beside what was measured.

use super::sums::short;

/// One goal. Its figure can have several parts, of which the worst counts.
#[derive(Clone, Debug)]
pub struct Goal {
    what: String,
    most: f64,
    unit: &'static str,
    figures: Vec<(String, f64)>,
    beside: String,
}

impl Goal {
    /// `what` is at most so much.
    pub fn new(what: impl Into<String>, most: f64, unit: &'static str) -> Goal {
        Goal { what: what.into(), most, unit, figures: Vec::new(), beside: String::new() }
    }

    /// A figure, and what it is of.
    #[must_use]
    pub fn figure(mut self, of: impl Into<String>, figure: f64) -> Goal {
        self.figures.push((of.into(), figure));
        self
    }

    /// What stands beside it: what others take, and how much of a figure is chance.
    #[must_use]
    pub fn beside(mut self, words: impl Into<String>) -> Goal {
        self.beside = words.into();
        self
    }

    /// Its line; `None` when nothing was measured.
    pub fn row(&self, part: &str) -> Option<String> {
        let known: Vec<_> = self.figures.iter().filter(|(_, f)| !f.is_nan()).collect();
        let worst = known.iter().map(|(_, f)| *f).reduce(f64::max)?;
        let one = |(of, figure): &&(String, f64)| match of.as_str() {
            "" => short(*figure),
            of => format!("{of} {}", short(*figure)),
        };
        let figures = known.iter().map(one).collect::<Vec<_>>().join(", ");
        // Of what is shown: no figure misses what it is said to be.
        let met = short(worst).parse().unwrap_or(worst) <= self.most;
        let word = if met { "met" } else { "**missed**" };
        Some(format!(
            "| {part} | {} | {} {} | {figures} | {} | {word} |\n",
            self.what,
            short(self.most),
            self.unit,
            self.beside
        ))
    }
}

/// The head of the table.
pub const HEAD: &str =
    "| part | what | goal, at most | measured | beside it | |\n|---|---|---|---|---|---|\n";

#[cfg(test)]
mod tests {
    use super::Goal;

    #[test]
    fn the_worst_counts() {
        let goal = Goal::new("all dead", 1.05, "×").figure("star", 1.0).figure("chain", 1.051).beside("x");
        let row = goal.row("kill").expect("a row");
        assert_eq!(row, "| kill | all dead | 1.05 × | star 1.00, chain 1.05 | x | met |\n");
        assert!(goal.figure("", 2.0).row("kill").expect("a row").contains("2.00 | x | **missed**"));
        assert!(Goal::new("nothing", 1.0, "ms").figure("", f64::NAN).row("line").is_none());
    }
}
