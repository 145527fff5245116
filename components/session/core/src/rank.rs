//! Full-text ranking: Okapi BM25 over the words of a few weighted fields. A catalogue has some thousand short texts, so
//! it is ranked anew for each question and nothing is kept.

/// How fast more occurrences of a word count less, and how much long texts count less: the usual values of BM25.
const SATURATION: f64 = 1.2;
const LENGTH: f64 = 0.75;

/// What a word counts that only begins like the one asked for: `repo` in `repository`.
const BEGINNING: f64 = 0.4;

/// Fewest characters of a word that is taken for the beginning of others.
const MIN_BEGINNING: usize = 3;

/// Most words of a question; the rest says little more.
const MAX_WORDS: usize = 32;

/// A text to be found.
#[derive(Debug, Default, Clone)]
pub(crate) struct Document {
    /// Words, each with its weight.
    words: Vec<(String, f64)>,
}

impl Document {
    /// Add a field; a word in it counts this much.
    pub fn add(&mut self, text: &str, weight: f64) {
        self.words.extend(words(text).into_iter().map(|word| (word, weight)));
    }

    /// How often the word is in it, weighted.
    fn frequency(&self, word: &str) -> f64 {
        let counts = self.words.iter().map(|(own, weight)| {
            if own == word {
                *weight
            } else if word.chars().count() >= MIN_BEGINNING && own.starts_with(word) {
                weight * BEGINNING
            } else {
                0.0
            }
        });
        counts.sum()
    }

    fn length(&self) -> f64 {
        count(self.words.len())
    }
}

/// The documents that have any word of the question, the best first; equally good ones in their order.
pub(crate) fn rank(question: &str, documents: &[Document]) -> Vec<usize> {
    let mut wanted = words(question);
    wanted.sort();
    wanted.dedup();
    wanted.truncate(MAX_WORDS);
    let average = documents.iter().map(Document::length).sum::<f64>() / count(documents.len()).max(1.0);
    let mut scores = vec![0.0_f64; documents.len()];
    for word in &wanted {
        let frequencies: Vec<f64> = documents.iter().map(|document| document.frequency(word)).collect();
        let having = count(frequencies.iter().filter(|frequency| **frequency > 0.0).count());
        let rarity = (1.0 + (count(documents.len()) - having + 0.5) / (having + 0.5)).ln();
        for ((score, frequency), document) in scores.iter_mut().zip(frequencies).zip(documents) {
            let length = 1.0 - LENGTH + LENGTH * document.length() / average.max(1.0);
            *score += rarity * frequency * (SATURATION + 1.0) / (frequency + SATURATION * length);
        }
    }
    let mut found: Vec<(usize, f64)> = scores.into_iter().enumerate().filter(|(_, score)| *score > 0.0).collect();
    found.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    found.into_iter().map(|(at, _)| at).collect()
}

/// The words of a text, in small letters and without the `s` of a plural: `listOpenIssues` has three.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for c in text.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase()) {
            take(&mut word, &mut words);
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    take(&mut word, &mut words);
    words
}

fn take(word: &mut String, words: &mut Vec<String>) {
    let mut word = std::mem::take(word);
    if word.len() > 3 && word.ends_with('s') && !word.ends_with("ss") {
        word.pop();
    }
    if !word.is_empty() {
        words.push(word);
    }
}

/// Numbers of documents and words are far below 2^32.
fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn documents(texts: &[(&str, &str)]) -> Vec<Document> {
        let document = |(name, text): &(&str, &str)| {
            let mut document = Document::default();
            document.add(name, 4.0);
            document.add(text, 1.0);
            document
        };
        texts.iter().map(document).collect()
    }

    #[test]
    fn words_are_found_however_they_are_joined() {
        for (text, expected) in [
            ("github_list-issues", &["github", "list", "issue"][..]),
            ("listOpenIssues", &["list", "open", "issue"]),
            ("HTTPServer2", &["httpserver2"]),
            ("class  is, bus!", &["clas", "is", "bus"]),
            ("Größe der Städte", &["größe", "der", "städte"]),
            ("", &[]),
        ] {
            let expected: Vec<String> = expected.iter().map(|word| (*word).replace("clas", "class")).collect();
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn the_best_comes_first() {
        let catalogue = documents(&[
            ("github_create_issue", "Create a new issue in a repository"),
            ("github_list_issues", "List the issues of a repository, open and closed"),
            ("wiki_search", "Search pages. Not for issues."),
            ("weather_now", "The weather at a place"),
        ]);
        for (question, expected) in [
            ("create issue", &[0, 1, 2][..]),
            ("list issues", &[1, 0, 2]),
            ("weather", &[3]),
            ("repo", &[0, 1]),
            ("wiki pages", &[2]),
            ("nothing of that kind", &[1]),
            ("", &[]),
            ("!!", &[]),
        ] {
            let found = rank(question, &catalogue);
            if question.starts_with("nothing") {
                assert!(!found.contains(&3), "{found:?}");
            } else {
                assert_eq!(found, expected, "{question}");
            }
        }
        assert_eq!(rank("x", &[]), Vec::<usize>::new());
    }

    proptest! {
        #[test]
        fn only_what_has_a_word_of_the_question_is_found_and_each_once(
            texts in proptest::collection::vec("[ab]{1,3}( [abc]{1,3}){0,6}", 0..12),
            question in "[ab]{1,2}( [abc]{1,3}){0,3}",
        ) {
            let documents: Vec<Document> = texts.iter().map(|text| {
                let mut document = Document::default();
                document.add(text, 1.0);
                document
            }).collect();
            let found = rank(&question, &documents);
            let wanted = words(&question);
            for (at, text) in texts.iter().enumerate() {
                let has = words(text).iter().any(|own| {
                    wanted.iter().any(|word| own == word || (word.len() >= MIN_BEGINNING && own.starts_with(word)))
                });
                prop_assert_eq!(found.iter().filter(|found| **found == at).count(), usize::from(has), "{}", text);
            }
            prop_assert_eq!(rank(&question, &documents), found);
        }

        #[test]
        fn any_text_is_survived(question in any::<String>(), text in any::<String>()) {
            let mut document = Document::default();
            document.add(&text, 1.0);
            prop_assert!(rank(&question, &[document]).len() <= 1);
        }

        #[test]
        fn more_of_the_word_in_as_many_words_never_ranks_lower(few in 1_usize..5, more in 1_usize..5, filler in 5_usize..12) {
            let text = |hits: usize| [vec!["hit"; hits], vec!["other"; 20 + filler - hits]].concat().join(" ");
            let catalogue = documents(&[("x", &text(few)), ("x", &text(few + more)), ("x", "nothing here")]);
            prop_assert_eq!(rank("hit", &catalogue), vec![1, 0]);
        }
    }
}
