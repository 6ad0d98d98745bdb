//! "Did you mean".

/// How alike a word must be to be suggested.
const ALIKE: f64 = 0.75;

/// The word among `known` that `word` was probably meant to be.
pub fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_ascii_lowercase();
    let likeness = |known: &str| strsim::jaro_winkler(&word, &known.to_ascii_lowercase());
    let best = known
        .into_iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= ALIKE).then_some(best)
}

/// Whether `word` is `known` but for a typo of one or two letters.
pub fn is_near(word: &str, known: &str) -> bool {
    let (word, known) = (word.to_ascii_lowercase(), known.to_ascii_lowercase());
    known.len() > 4
        && word.len().abs_diff(known.len()) <= 2
        && strsim::damerau_levenshtein(&word, &known) <= 2
}
