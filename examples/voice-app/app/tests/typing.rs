//! Types into a real window. One display has one focus, so this file has one test, and Cargo runs files in turn.

// The back ends that reach the focused window of an X desktop, and something to type. Without an engine there are
// no words, with no-stt their number only.
#![cfg(all(
    any(
        feature = "text-injection-xdotool",
        feature = "text-injection-combo",
        feature = "text-injection-all"
    ),
    any(feature = "vosk", feature = "whisper"),
    not(feature = "no-stt"),
))]

mod common;

use std::fs;
use std::process::Command;

use common::{coldvox, finish, wait_for, Process, Scratch};

const WORDS: [&str; 3] = ["hey", "coldvox", "type"];

/// xterm leaves Ctrl+V to the program in it. Here it pastes, as in most windows: one back end sends it.
const PASTE_KEY: &str = "*VT100.translations: #override Ctrl<Key>v: insert-selection(CLIPBOARD)";

/// A terminal that writes to `file` what is typed, letter by letter. The file appears when it is ready.
fn terminal(title: &str, file: &str) -> Command {
    let mut command = Command::new("xterm");
    command.args(["-title", title, "-xrm", PASTE_KEY]);
    command.args(["-e", "sh", "-c", "stty -icanon && exec cat > \"$0\"", file]);
    command
}

fn xdotool(arguments: &[&str]) -> Command {
    let mut command = Command::new("xdotool");
    command.args(arguments);
    command
}

#[test]
#[ignore = "needs a desktop: an X display with window manager, xdotool and xterm, as action-headless-env starts it"]
fn recognised_words_are_typed_into_the_focused_window() {
    let scratch = Scratch::new();
    let (title, sound, typed) = (scratch.name(), scratch.path("words.wav"), scratch.path("typed.txt"));
    let expected = WORDS.join(" ");
    finish(coldvox(&["synth", &sound]).args(WORDS), &scratch);

    let mut xterm = Process::start(&mut terminal(&title, &typed), &scratch);
    let mut text_when = |what: &str, enough: &dyn Fn(&str) -> bool| -> String {
        wait_for(|| {
            xterm.assert_running();
            let text = fs::read_to_string(&typed).map_err(|_| "xterm's shell has not begun".to_string())?;
            if enough(&text) {
                Ok(text)
            } else {
                Err(format!("no {what} in the window, only {text:?}"))
            }
        })
    };
    text_when("shell", &|_| true);
    let window = format!("^{title}$");
    let search = ["search", "--sync", "--onlyvisible", "--name", &window, "windowactivate", "--sync"];
    finish(&mut xdotool(&search), &scratch);

    finish(&mut coldvox(&["type", &sound]), &scratch);
    // A paste arrives later than the key that asked for it, and a Return that is sent at once may overtake it.
    text_when(&format!("{expected:?}"), &|text| text.len() >= expected.len());
    // Keys arrive in order: with Return there, nothing else is on its way.
    finish(&mut xdotool(&["key", "Return"]), &scratch);
    let text = text_when("line", &|text| text.ends_with('\n'));
    assert_eq!(text, format!("{expected}\n"));
}
