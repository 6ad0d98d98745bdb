//! "Did you mean".

/// How alike a word must be to be suggested.
const ALIKE: f64 = 0.75;

/// The word among `known` that `word` was probably meant to be.
pub(crate) fn alike<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_ascii_lowercase();
    let likeness = |known: &str| strsim::jaro_winkler(&word, &known.to_ascii_lowercase());
    let best = known
        .into_iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= ALIKE).then_some(best)
}
