//! Prints how loud each tone of a word is: `cargo run --features examples --example levels -- WORD`.

use coldvox_audio::{level, synth};
use coldvox_foundation::vocabulary::{find, TONES};

fn main() {
    let text = std::env::args().nth(1).unwrap_or_else(|| "coldvox".into());
    let word = find(&text).expect("the word is in the vocabulary");
    let samples = synth::tones(&[word.low_hz, word.high_hz], synth::WORD_SAMPLES);
    for tone in TONES {
        println!("{:5} Hz  {:.3}", tone.hz, level::tone(&samples, tone));
    }
}
