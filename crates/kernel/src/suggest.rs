//! "Did you mean …?": the known word nearest to a mistyped one.

/// The known word most like `word`, if any is near enough to be what was meant.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&lower, &known.to_lowercase()), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// How many slips lie between two words: letters left out, added, swapped or mistaken.
pub fn slips(one: &str, other: &str) -> usize {
    strsim::osa_distance(one, other)
}

/// ` Did you mean "x"?`, or nothing; to be put after a sentence.
pub fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(word, known).map(|known| format!(" Did you mean \"{known}\"?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["method", "path", "respond"];
        assert_eq!(nearest("metod", known), Some("method"));
        assert_eq!(nearest("Path", known), Some("path"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(did_you_mean("respnd", known), " Did you mean \"respond\"?");
    }
}
