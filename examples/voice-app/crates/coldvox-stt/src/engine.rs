#[cfg(any(feature = "vosk", feature = "whisper"))]
use coldvox_audio::level::tone;
#[cfg(feature = "whisper")]
use coldvox_foundation::vocabulary::{of_tones, TONES};
#[cfg(feature = "vosk")]
use coldvox_foundation::vocabulary::{Tone, SAMPLE_RATE_HZ};

use crate::Model;

/// Turns one segment of speech into a word.
pub trait Engine {
    fn name(&self) -> &'static str;
    fn recognise(&self, segment: &[i16]) -> Option<String>;
}

/// Scores the segment with the model's weights.
#[cfg(feature = "vosk")]
pub struct Vosk {
    model: Model,
    bank: Vec<Tone>,
}

#[cfg(feature = "vosk")]
impl Vosk {
    pub fn new(model: Model) -> Self {
        let filter = |&hz: &u32| -> Tone {
            let turn = f64::from(hz) / f64::from(SAMPLE_RATE_HZ);
            Tone { hz, coefficient: 2.0 * (std::f64::consts::TAU * turn).cos() }
        };
        let bank = model.bands_hz.iter().map(filter).collect();
        Self { model, bank }
    }
}

#[cfg(feature = "vosk")]
impl Engine for Vosk {
    fn name(&self) -> &'static str {
        "vosk"
    }

    fn recognise(&self, segment: &[i16]) -> Option<String> {
        let levels: Vec<f64> = self.bank.iter().map(|filter| tone(segment, filter)).collect();
        self.model.best(&levels).map(|(word, _)| word.to_string())
    }
}

/// Looks the two loudest tones up in the vocabulary; needs no model.
#[cfg(feature = "whisper")]
#[derive(Debug, Default)]
pub struct Whisper;

#[cfg(feature = "whisper")]
impl Engine for Whisper {
    fn name(&self) -> &'static str {
        "whisper"
    }

    fn recognise(&self, segment: &[i16]) -> Option<String> {
        let mut heard: Vec<_> = TONES.iter().map(|one| (tone(segment, one), one.hz)).collect();
        heard.sort_by(|a, b| b.0.total_cmp(&a.0));
        if heard.len() < 2 || heard[1].0 < 0.05 {
            return None;
        }
        let (first, second) = (heard[0].1, heard[1].1);
        of_tones(first.min(second), first.max(second)).map(|word| word.text.to_string())
    }
}

/// The engines that are built in, the preferred one first. Without a model only those that need none.
pub fn engines(model: Option<Model>) -> Vec<Box<dyn Engine>> {
    #[allow(unused_mut)]
    let mut built_in: Vec<Box<dyn Engine>> = Vec::new();
    #[cfg(feature = "vosk")]
    built_in.extend(model.map(|model| Box::new(Vosk::new(model)) as Box<dyn Engine>));
    #[cfg(not(feature = "vosk"))]
    drop(model);
    #[cfg(feature = "whisper")]
    built_in.push(Box::new(Whisper));
    built_in
}

#[cfg(all(test, any(feature = "vosk", feature = "whisper")))]
mod tests {
    use super::*;
    use coldvox_audio::synth::{tones, WORD_SAMPLES};
    use coldvox_foundation::vocabulary::WORDS;
    use std::path::Path;

    fn model() -> Model {
        // Not env!: a target directory from a cache may have been built in another folder.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo test sets it");
        let folder = Path::new(&package).join("../../models");
        Model::load(&folder.join("coldvox-tones-small-0.1.txt")).unwrap()
    }

    #[test]
    fn every_engine_recognises_every_word() {
        for engine in engines(Some(model())) {
            for word in WORDS {
                let segment = tones(&[word.low_hz, word.high_hz], WORD_SAMPLES);
                let heard = engine.recognise(&segment);
                assert_eq!(heard.as_deref(), Some(word.text), "{}", engine.name());
            }
        }
    }

    #[test]
    fn silence_and_a_single_tone_are_no_word() {
        for engine in engines(Some(model())) {
            assert_eq!(engine.recognise(&[0; 1600]), None, "{}", engine.name());
            assert_eq!(engine.recognise(&tones(&[697], 1600)), None, "{}", engine.name());
        }
    }

    #[test]
    fn without_a_model_only_model_free_engines_are_offered() {
        assert!(engines(None).iter().all(|engine| engine.name() == "whisper"));
    }
}
