//! Runs the built program as a user would.

use std::path::Path;
use std::process::{Command, Output};

/// Both paths are found at run time. `env!` would bake in the folder of the first build, and a target directory
/// that comes from a cache may have been built elsewhere: Cargo takes it for fresh all the same.
fn coldvox(arguments: &[&str]) -> Output {
    let test = std::env::current_exe().expect("the test knows its own path");
    let program = test.with_file_name("../coldvox");
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo test sets it");
    Command::new(program)
        .args(arguments)
        .current_dir(Path::new(&package).join(".."))
        .env_remove("COLDVOX_MODEL")
        .output()
        .expect("the program starts")
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
    let file = std::env::temp_dir().join(format!("coldvox-{}.wav", std::process::id()));
    let name = file.to_str().expect("a path in UTF-8");
    assert!(coldvox(&["synth", name, "hey", "coldvox", "start"]).status.success());
    let heard = coldvox(&["transcribe", name]);
    std::fs::remove_file(&file).expect("the file is there");
    assert_eq!(String::from_utf8_lossy(&heard.stdout), "hey coldvox start\n");
}

#[cfg(feature = "live-hardware-tests")]
#[test]
#[ignore = "needs a sound card: cargo test --features live-hardware-tests -- --ignored"]
fn this_machine_has_a_sound_card() {
    assert!(Path::new("/dev/snd").is_dir(), "no sound card is visible");
}
