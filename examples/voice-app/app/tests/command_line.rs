//! Runs the built program as a user would.

mod common;

use std::process::Output;

fn coldvox(arguments: &[&str]) -> Output {
    common::coldvox(arguments).output().expect("the program starts")
}

#[test]
fn a_misunderstanding_shows_how_it_is_used() {
    let output = coldvox(&["dance"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage: coldvox version"));
}

#[test]
fn an_unknown_word_is_named() {
    let output = coldvox(&["synth", "never-written.wav", "hey", "xyzzy"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("xyzzy: not in the vocabulary"));
}

#[cfg(all(feature = "vosk", not(feature = "no-stt")))]
#[test]
fn what_is_written_to_a_file_is_heard_again() {
    let scratch = common::Scratch::new();
    let file = scratch.path("words.wav");
    assert!(coldvox(&["synth", &file, "hey", "coldvox", "start"]).status.success());
    let heard = coldvox(&["transcribe", &file]);
    assert_eq!(String::from_utf8_lossy(&heard.stdout), "hey coldvox start\n");
}

#[cfg(feature = "live-hardware-tests")]
#[test]
#[ignore = "needs a sound card: cargo test --features live-hardware-tests -- --ignored"]
fn this_machine_has_a_sound_card() {
    assert!(std::path::Path::new("/dev/snd").is_dir(), "no sound card is visible");
}
