use crate::Detector;

/// Samples of one frame: 10 ms at 16 kHz.
pub const FRAME_SAMPLES: usize = 160;

/// Collects frames into segments of speech. A pause shorter than `hangover` frames does not end one.
pub struct Segmenter {
    detector: Box<dyn Detector>,
    hangover: usize,
    silent: usize,
    speech: Vec<i16>,
}

impl Segmenter {
    pub fn new(detector: Box<dyn Detector>, hangover: usize) -> Self {
        Self { detector, hangover, silent: 0, speech: Vec::new() }
    }

    /// Takes the next frame; hands out a segment when this frame ended it.
    pub fn push(&mut self, frame: &[i16]) -> Option<Vec<i16>> {
        if self.detector.is_speech(frame) {
            self.silent = 0;
            self.speech.extend_from_slice(frame);
            return None;
        }
        self.silent += 1;
        if self.silent < self.hangover {
            return None;
        }
        self.finish()
    }

    /// The segment that was still open at the end of the signal.
    pub fn finish(&mut self) -> Option<Vec<i16>> {
        if self.speech.is_empty() {
            return None;
        }
        Some(std::mem::take(&mut self.speech))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Energy;
    use coldvox_audio::synth::tones;

    fn segments(pattern: &str) -> Vec<usize> {
        let mut segmenter = Segmenter::new(Box::new(Energy::default()), 3);
        let speech = tones(&[697, 1209], FRAME_SAMPLES);
        let mut found: Vec<_> = pattern
            .chars()
            .filter_map(|kind| match kind {
                '#' => segmenter.push(&speech),
                _ => segmenter.push(&[0; FRAME_SAMPLES]),
            })
            .collect();
        found.extend(segmenter.finish());
        found.iter().map(|segment| segment.len() / FRAME_SAMPLES).collect()
    }

    #[test]
    fn a_long_pause_separates_segments() {
        assert_eq!(segments("..####...##..."), [4, 2]);
    }

    #[test]
    fn a_short_pause_does_not() {
        assert_eq!(segments("##..##..."), [4]);
    }

    #[test]
    fn silence_has_no_segments() {
        assert!(segments("........").is_empty());
    }

    #[test]
    fn the_last_segment_is_not_lost() {
        assert_eq!(segments("...###"), [3]);
    }
}
