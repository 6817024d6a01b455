//! Choices between a few words.

/// A choice between a few words.
pub trait Word: Copy + PartialEq + Send + Sync + 'static {
    /// Each with its word.
    const ALL: &[(Self, &'static str)];

    /// Its word.
    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(v, _)| *v == self).map_or("", |(_, w)| w)
    }

    /// The one that a word stands for.
    fn read(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, w)| *w == word).map(|(v, _)| *v)
    }
}
