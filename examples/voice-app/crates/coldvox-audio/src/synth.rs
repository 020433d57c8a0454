//! Makes test speech: two tones a word, silence between words.

use coldvox_foundation::vocabulary::{Word, SAMPLE_RATE_HZ};

/// Samples of one word: 200 ms.
pub const WORD_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 5;
/// Samples of the silence around words: 100 ms.
pub const GAP_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 10;

/// The given tones sounding together, each at 30 % of full scale.
pub fn tones(frequencies_hz: &[u32], count: usize) -> Vec<i16> {
    let sample = |index: usize| -> i16 {
        let time = index as f64 / f64::from(SAMPLE_RATE_HZ);
        let sum: f64 =
            frequencies_hz.iter().map(|&hz| 0.3 * (std::f64::consts::TAU * f64::from(hz) * time).sin()).sum();
        (sum.clamp(-1.0, 1.0) * 32_767.0) as i16
    };
    (0..count).map(sample).collect()
}

/// The words one after the other, with silence before, between and after them.
pub fn sentence<'a>(words: impl IntoIterator<Item = &'a Word>) -> Vec<i16> {
    let mut samples = vec![0; GAP_SAMPLES];
    for word in words {
        samples.extend(tones(&[word.low_hz, word.high_hz], WORD_SAMPLES));
        samples.resize(samples.len() + GAP_SAMPLES, 0);
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldvox_foundation::vocabulary::WORDS;

    #[test]
    fn a_sentence_is_as_long_as_its_words_and_gaps() {
        let samples = sentence(&WORDS[..3]);
        assert_eq!(samples.len(), 3 * WORD_SAMPLES + 4 * GAP_SAMPLES);
        assert!(samples[..GAP_SAMPLES].iter().all(|&sample| sample == 0));
    }

    #[test]
    fn many_tones_are_clipped_not_wrapped() {
        let loud = tones(&[400, 400, 400, 400, 400], 400);
        assert_eq!(loud.iter().max(), Some(&32_767));
        assert!(loud.windows(2).all(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs() < 20_000));
    }
}
