//! The words that the application knows. The table is made by build.rs from vocabulary.txt.

/// A word is two tones that sound together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    pub text: &'static str,
    pub low_hz: u32,
    pub high_hz: u32,
}

/// A tone and its Goertzel coefficient, 2·cos(2π·hz/rate).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    pub hz: u32,
    pub coefficient: f64,
}

include!(concat!(env!("OUT_DIR"), "/vocabulary.rs"));

/// The word with this text.
pub fn find(text: &str) -> Option<&'static Word> {
    WORDS.iter().find(|word| word.text == text)
}

/// The word that is made of these two tones, lowest first.
pub fn of_tones(low_hz: u32, high_hz: u32) -> Option<&'static Word> {
    WORDS.iter().find(|word| (word.low_hz, word.high_hz) == (low_hz, high_hz))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_word_has_tones_of_its_own() {
        let pairs: HashSet<_> = WORDS.iter().map(|word| (word.low_hz, word.high_hz)).collect();
        assert_eq!(pairs.len(), WORDS.len());
        assert!(WORDS.iter().all(|word| word.low_hz < word.high_hz));
    }

    #[test]
    fn tones_are_sorted_and_below_the_nyquist_frequency() {
        assert!(TONES.windows(2).all(|pair| pair[0].hz < pair[1].hz));
        assert!(TONES.iter().all(|tone| 2 * tone.hz < SAMPLE_RATE_HZ));
    }

    #[test]
    fn a_word_is_found_by_its_text_and_by_its_tones() {
        let word = find("coldvox").expect("the vocabulary has it");
        assert_eq!(of_tones(word.low_hz, word.high_hz), Some(word));
        assert_eq!(find("unheard"), None);
    }
}
