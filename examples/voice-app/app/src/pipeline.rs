//! Microphone to text: ring buffer, voice activity, recognition.

use coldvox_audio::ring::RingBuffer;
use coldvox_foundation::Result;
use coldvox_stt::Model;
use coldvox_vad::{default_detector, Segmenter, FRAME_SAMPLES};

/// Frames of silence that end a word: 50 ms.
const HANGOVER_FRAMES: usize = 5;

/// The words in `samples`, separated by blanks.
pub fn transcribe(samples: &[i16], model: Option<Model>) -> Result<String> {
    let segments = segments(samples);
    recognise(&segments, model)
}

fn segments(samples: &[i16]) -> Vec<Vec<i16>> {
    let mut ring = RingBuffer::new(8 * FRAME_SAMPLES);
    let mut segmenter = Segmenter::new(default_detector(), HANGOVER_FRAMES);
    let mut found = Vec::new();
    // Blocks of another size than frames, as sound cards deliver them.
    for block in samples.chunks(3 * FRAME_SAMPLES + 7) {
        ring.push(block);
        while let Some(frame) = ring.pop_frame(FRAME_SAMPLES) {
            found.extend(segmenter.push(&frame));
        }
    }
    found.extend(segmenter.finish());
    found
}

#[cfg(not(feature = "no-stt"))]
fn recognise(segments: &[Vec<i16>], model: Option<Model>) -> Result<String> {
    use coldvox_foundation::Error;

    let engines = coldvox_stt::engines(model);
    let engine = engines.first().ok_or_else(|| {
        Error::Unavailable("no recognition engine is built in: enable vosk or whisper".into())
    })?;
    let word = |segment: &Vec<i16>| engine.recognise(segment).unwrap_or_else(|| "…".into());
    Ok(segments.iter().map(word).collect::<Vec<_>>().join(" "))
}

#[cfg(feature = "no-stt")]
fn recognise(segments: &[Vec<i16>], _model: Option<Model>) -> Result<String> {
    Ok(format!("{} segments of speech", segments.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldvox_audio::synth::sentence;
    use coldvox_foundation::vocabulary::WORDS;

    #[test]
    fn every_word_is_one_segment_however_the_blocks_fall() {
        assert_eq!(segments(&sentence(WORDS)).len(), WORDS.len());
        assert!(segments(&[0; 4_000]).is_empty());
    }

    #[cfg(all(feature = "whisper", not(feature = "vosk"), not(feature = "no-stt")))]
    #[test]
    fn whisper_hears_a_sentence_without_a_model() {
        let words: Vec<_> = WORDS.iter().map(|word| word.text).collect();
        assert_eq!(transcribe(&sentence(WORDS), None).unwrap(), words.join(" "));
    }

    #[cfg(not(any(feature = "vosk", feature = "whisper", feature = "no-stt")))]
    #[test]
    fn without_an_engine_the_user_is_told_what_to_enable() {
        let error = transcribe(&sentence(WORDS), None).unwrap_err();
        assert!(error.to_string().contains("enable vosk or whisper"));
    }
}
