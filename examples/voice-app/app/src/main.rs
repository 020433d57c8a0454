//! `coldvox`: finds speech in a WAV file, recognises its words, types them.

mod pipeline;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use coldvox_audio::{synth, wav};
use coldvox_foundation::vocabulary::{find, SAMPLE_RATE_HZ, TABLE_REVISION, WORDS};
use coldvox_foundation::{Error, Result};
use coldvox_stt::Model;

const USAGE: &str = "usage: coldvox version
       coldvox demo                     speak, listen and print
       coldvox synth FILE WORD…         write a WAV file
       coldvox transcribe FILE          print the words of a WAV file
       coldvox type FILE                type the words of a WAV file
The model is read from COLDVOX_MODEL, by default models/coldvox-tones-small-0.1.txt.";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("coldvox: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<String> {
    match arguments {
        ["version"] => Ok(version()),
        ["demo"] => pipeline::transcribe(&synth::sentence(WORDS), model()?),
        ["synth", file, words @ ..] => write_words(Path::new(file), words),
        ["transcribe", file] => pipeline::transcribe(&read(Path::new(file))?, model()?),
        ["type", file] => type_words(Path::new(file)),
        _ => Err(Error::format("arguments", format!("not understood\n{USAGE}"))),
    }
}

fn version() -> String {
    let number = env!("CARGO_PKG_VERSION");
    format!("coldvox {number}, {} words, table revision {TABLE_REVISION}", WORDS.len())
}

fn model() -> Result<Option<Model>> {
    if !cfg!(feature = "vosk") {
        return Ok(None);
    }
    let chosen = env::var_os("COLDVOX_MODEL");
    let path = chosen.map_or_else(|| PathBuf::from("models/coldvox-tones-small-0.1.txt"), PathBuf::from);
    Model::load(&path).map(Some)
}

fn read(file: &Path) -> Result<Vec<i16>> {
    let sound = wav::read(file)?;
    if sound.rate_hz != SAMPLE_RATE_HZ {
        let why = format!("{} Hz; only {SAMPLE_RATE_HZ} Hz is understood", sound.rate_hz);
        return Err(Error::format(file.display().to_string(), why));
    }
    Ok(sound.samples)
}

fn write_words(file: &Path, words: &[&str]) -> Result<String> {
    let known = |word: &&str| find(word).ok_or_else(|| Error::format(*word, "not in the vocabulary"));
    let words = words.iter().map(known).collect::<Result<Vec<_>>>()?;
    let samples = synth::sentence(words.iter().copied());
    let rate_hz = SAMPLE_RATE_HZ;
    wav::write(file, &wav::Sound { rate_hz, samples })?;
    Ok(format!("{} words in {}", words.len(), file.display()))
}

#[cfg(feature = "text-injection")]
fn type_words(file: &Path) -> Result<String> {
    let text = pipeline::transcribe(&read(file)?, model()?)?;
    let mut session = coldvox_text_injection::Session::new(coldvox_text_injection::back_ends());
    session.type_text(&text).map(|name| format!("typed by {name}: {text}"))
}

#[cfg(not(feature = "text-injection"))]
fn type_words(_file: &Path) -> Result<String> {
    Err(Error::Unavailable("built without text-injection".into()))
}
