use coldvox_audio::level::rms;

/// Decides frame by frame whether somebody speaks.
pub trait Detector {
    fn name(&self) -> &'static str;
    fn is_speech(&mut self, frame: &[i16]) -> bool;
}

/// Speech is whatever is louder than a threshold (RMS, 0 to 1).
#[derive(Debug)]
pub struct Energy {
    pub threshold: f64,
}

impl Default for Energy {
    fn default() -> Self {
        Self { threshold: 0.05 }
    }
}

impl Detector for Energy {
    fn name(&self) -> &'static str {
        "energy"
    }

    fn is_speech(&mut self, frame: &[i16]) -> bool {
        rms(frame) > self.threshold
    }
}

/// Follows the noise of the room: speech is what stands well above it.
#[cfg(feature = "silero")]
#[derive(Debug, Default)]
pub struct Silero {
    noise: f64,
}

#[cfg(feature = "silero")]
impl Detector for Silero {
    fn name(&self) -> &'static str {
        "silero"
    }

    fn is_speech(&mut self, frame: &[i16]) -> bool {
        let level = rms(frame);
        let speech = level > (4.0 * self.noise).max(0.01);
        if !speech {
            self.noise = 0.9 * self.noise + 0.1 * level;
        }
        speech
    }
}

/// The first version's fixed threshold, kept for old settings.
#[cfg(feature = "level3")]
#[derive(Debug, Default)]
pub struct Level3;

#[cfg(feature = "level3")]
impl Detector for Level3 {
    fn name(&self) -> &'static str {
        "level3"
    }

    fn is_speech(&mut self, frame: &[i16]) -> bool {
        rms(frame) > 0.1
    }
}

/// The best detector that is built in.
pub fn default_detector() -> Box<dyn Detector> {
    #[cfg(feature = "silero")]
    return Box::new(Silero::default());
    #[cfg(all(feature = "level3", not(feature = "silero")))]
    return Box::new(Level3);
    #[cfg(not(any(feature = "silero", feature = "level3")))]
    return Box::new(Energy::default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldvox_audio::synth::tones;

    #[test]
    fn every_detector_tells_speech_from_silence() {
        let speech = tones(&[697, 1209], 160);
        for mut detector in [default_detector(), Box::new(Energy::default())] {
            assert!(!detector.is_speech(&[0; 160]), "{}", detector.name());
            assert!(detector.is_speech(&speech), "{}", detector.name());
        }
    }

    #[cfg(feature = "silero")]
    #[test]
    fn silero_gets_used_to_a_noisy_room() {
        let hum: Vec<i16> = tones(&[100], 160).iter().map(|sample| sample / 40).collect();
        let mut detector = Silero::default();
        for _ in 0..50 {
            detector.is_speech(&hum);
        }
        assert!(!detector.is_speech(&hum));
        assert!(detector.is_speech(&tones(&[697, 1209], 160)));
    }

    #[cfg(feature = "level3")]
    #[test]
    fn level3_ignores_whispers() {
        let whisper: Vec<i16> = tones(&[697], 160).iter().map(|sample| sample / 10).collect();
        assert!(!Level3.is_speech(&whisper));
    }
}
