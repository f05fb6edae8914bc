//! Counts words: of one text, or of everything that was sent so far.

use std::collections::BTreeMap;

/// How often each word was seen, in small letters.
#[derive(Default)]
pub struct Words {
    counts: BTreeMap<String, u64>,
}

impl Words {
    /// Counts the words of a text; returns how many it has.
    pub fn add(&mut self, text: &str) -> u64 {
        let mut seen = 0;
        for word in text.split(|c: char| !c.is_alphanumeric() && c != '\'') {
            if !word.is_empty() {
                *self.counts.entry(word.to_lowercase()).or_default() += 1;
                seen += 1;
            }
        }
        seen
    }

    /// The most frequent words, then by the alphabet.
    pub fn top(&self, most: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.counts.iter().map(|(word, count)| (word.as_str(), *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all.truncate(most);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn words_are_counted_whatever_their_case() {
        let mut words = Words::default();

        assert_eq!(words.add("The cat, the hat -- the don't!"), 6);

        assert_eq!(words.top(2), [("the", 3), ("cat", 1)]);
    }

    #[test]
    fn nothing_has_no_words() {
        assert_eq!(Words::default().add(" .,;\n"), 0);
    }
}
