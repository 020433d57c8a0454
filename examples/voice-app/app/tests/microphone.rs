//! Listens to the default sound source.

#![cfg(all(feature = "vosk", not(feature = "no-stt")))]

mod common;

use std::fs;
use std::process::Command;

use coldvox_audio::level::rms;
use coldvox_audio::wav;
use coldvox_foundation::vocabulary::SAMPLE_RATE_HZ;
use common::{coldvox, finish, wait_for, Process, Scratch};

/// How long the speaker may take, silence before the words included.
const LISTEN_SECONDS: usize = 20;
const SECOND_SAMPLES: usize = SAMPLE_RATE_HZ as usize;
/// 10 ms; longer than the beat of two tones, so that no frame inside a word is quiet.
const FRAME_SAMPLES: usize = SECOND_SAMPLES / 100;

/// A recording that goes on while it is looked at.
struct Recording<'a> {
    arecord: Process,
    file: String,
    scratch: &'a Scratch,
}

impl<'a> Recording<'a> {
    fn start(scratch: &'a Scratch) -> Self {
        let file = scratch.path("heard.raw");
        let mut command = Command::new("arecord");
        command.args(["--quiet", "--file-type=raw", "--channels=1", "--format=S16_LE"]);
        // It never comes to that end: the recording is over when the test is.
        command.arg(format!("--rate={SAMPLE_RATE_HZ}")).arg(format!("--duration={}", 3 * LISTEN_SECONDS));
        let arecord = Process::start(command.arg(&file), scratch);
        Self { arecord, file, scratch }
    }

    /// The words so far, once it is so long.
    fn words(&mut self, seconds: usize) -> Vec<String> {
        let samples = wait_for(|| {
            self.arecord.assert_running();
            let bytes = fs::read(&self.file).unwrap_or_default();
            let pairs = bytes.chunks_exact(2);
            let samples: Vec<_> = pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
            if samples.len() < seconds * SECOND_SAMPLES {
                return Err(format!("{} samples were recorded, not {seconds} s", samples.len()));
            }
            Ok(samples)
        });
        let file = self.scratch.path("heard.wav");
        let sound = wav::Sound { rate_hz: SAMPLE_RATE_HZ, samples: between_silences(&samples).to_vec() };
        wav::write(file.as_ref(), &sound).expect("a sound can be written");
        // The model that a workflow has fetched, where it says which one.
        let model = std::env::var_os("COLDVOX_MODEL").map(|model| ("COLDVOX_MODEL", model));
        let text = finish(coldvox(&["transcribe", &file]).envs(model), self.scratch);
        text.split_whitespace().map(String::from).collect()
    }
}

/// Leaves out a word that the recording's beginning or end has cut: from the first quiet frame to the last.
fn between_silences(samples: &[i16]) -> &[i16] {
    let is_quiet = |frame: &[i16]| rms(frame) < 0.01;
    let first = samples.chunks_exact(FRAME_SAMPLES).position(is_quiet);
    let last = samples.chunks_exact(FRAME_SAMPLES).rposition(is_quiet);
    match (first, last) {
        (Some(first), Some(last)) => &samples[first * FRAME_SAMPLES..(last + 1) * FRAME_SAMPLES],
        _ => &[],
    }
}

/// Whether `heard` is what somebody says who says `spoken`, whole at least once. One who repeats it for ever is met and
/// left anywhere.
fn is_said_by(heard: &[String], spoken: &[&str]) -> bool {
    let count = spoken.len();
    let whole = heard.windows(count).position(|words| words == spoken);
    let follows = |first: usize| {
        let expected = spoken.iter().cycle().skip(count - first % count);
        heard.iter().zip(expected).all(|(word, expected)| word == expected)
    };
    whole.map_or(false, follows)
}

#[test]
#[ignore = "needs a microphone: arecord, a default source that plays a WAV, and its words in COLDVOX_SPOKEN"]
fn the_words_that_the_microphone_says_are_recognised() {
    let spoken = std::env::var("COLDVOX_SPOKEN").unwrap_or_default();
    let spoken: Vec<&str> = spoken.split_whitespace().collect();
    assert!(
        !spoken.is_empty(),
        "set COLDVOX_SPOKEN to the words that the microphone says, as in COLDVOX_SPOKEN=\"start yes\""
    );
    let scratch = Scratch::new();
    let mut recording = Recording::start(&scratch);
    let found = (1..LISTEN_SECONDS).find(|&seconds| is_said_by(&recording.words(seconds), &spoken));
    // A second more shows a word too many.
    let seconds = found.unwrap_or(LISTEN_SECONDS) + 1;
    let heard = recording.words(seconds);
    let (what, expected) = (heard.join(" "), spoken.join(" "));
    assert!(is_said_by(&heard, &spoken), "in {seconds} s the microphone said {what:?}, not {expected:?}");
}

#[test]
fn a_speaker_may_be_met_and_left_in_the_middle_but_not_say_anything_else() {
    let cases = [
        ("start yes", true),
        ("yes start yes start", true),
        ("start yes start yes start yes", true),
        ("", false),
        ("start", false),
        ("yes start", false),
        ("start no", false),
        ("start yes no", false),
        ("no start yes", false),
        ("start yes yes", false),
    ];
    for (heard, expected) in cases {
        let words: Vec<_> = heard.split_whitespace().map(String::from).collect();
        assert_eq!(is_said_by(&words, &["start", "yes"]), expected, "{heard:?}");
    }
}

#[test]
fn a_word_that_is_cut_is_left_out() {
    let (loud, quiet) = ([9_000; FRAME_SAMPLES], [0; FRAME_SAMPLES]);
    let recording = [loud, quiet, loud, loud, quiet, quiet, loud].concat();
    assert_eq!(between_silences(&recording), &recording[FRAME_SAMPLES..6 * FRAME_SAMPLES]);
    assert!(between_silences(&loud).is_empty());
    assert!(between_silences(&[]).is_empty());
}
