//! How loud a signal is, as a whole and at single frequencies.

use coldvox_foundation::vocabulary::Tone;

/// Root mean square, from 0 (silence) to 1 (full scale).
pub fn rms(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: f64 = samples.iter().map(|&sample| scaled(sample).powi(2)).sum();
    (sum / samples.len() as f64).sqrt()
}

/// Amplitude of one tone, from 0 to 1, by Goertzel's algorithm: a one-bin Fourier transform
/// that costs one multiplication a sample.
pub fn tone(samples: &[i16], tone: &Tone) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let (mut before, mut last) = (0.0, 0.0);
    for &sample in samples {
        let next = scaled(sample) + tone.coefficient * last - before;
        before = last;
        last = next;
    }
    let power = last * last + before * before - tone.coefficient * last * before;
    // Rounding can push the power of pure silence a hair below zero.
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

fn scaled(sample: i16) -> f64 {
    f64::from(sample) / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth;
    use coldvox_foundation::vocabulary::TONES;

    #[test]
    fn silence_has_no_level() {
        assert_eq!(rms(&[]), 0.0);
        assert_eq!(rms(&[0; 100]), 0.0);
        assert_eq!(tone(&[0; 100], &TONES[0]), 0.0);
        assert_eq!(tone(&[], &TONES[0]), 0.0);
    }

    #[test]
    fn a_square_wave_at_half_scale_has_rms_one_half() {
        let wave: Vec<i16> = (0..64).map(|i| if i % 2 == 0 { 16_384 } else { -16_384 }).collect();
        assert!((rms(&wave) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn only_the_sounding_tone_is_heard() {
        for sounding in TONES {
            let samples = synth::tones(&[sounding.hz], 1_600);
            for listening in TONES {
                let level = tone(&samples, listening);
                if listening == sounding {
                    assert!(level > 0.25, "{} Hz is lost: {level}", listening.hz);
                } else {
                    assert!(level < 0.1, "{} Hz leaks: {level}", listening.hz);
                }
            }
        }
    }
}
