use coldvox_foundation::{Error, Result};

#[cfg(any(feature = "clipboard", feature = "xdotool", feature = "ydotool", feature = "kdotool"))]
use crate::CommandInjector;
#[cfg(any(feature = "xdotool", feature = "kdotool"))]
use crate::TextGoes::AsLastArgument;
#[cfg(any(feature = "clipboard", feature = "ydotool"))]
use crate::TextGoes::ToStandardInput;

/// Something that can type text for the user.
pub trait Injector {
    fn name(&self) -> &'static str;
    fn available(&self) -> bool;
    fn inject(&mut self, text: &str) -> Result<()>;
}

/// Keeps what would have been typed; always there, for tests and machines without a display.
#[derive(Debug, Default)]
pub struct Transcript {
    pub lines: Vec<String>,
}

impl Injector for Transcript {
    fn name(&self) -> &'static str {
        "transcript"
    }

    fn available(&self) -> bool {
        true
    }

    fn inject(&mut self, text: &str) -> Result<()> {
        self.lines.push(text.to_string());
        Ok(())
    }
}

/// The back ends that are built in, the preferred one first.
pub fn back_ends() -> Vec<Box<dyn Injector>> {
    vec![
        #[cfg(feature = "combo-clip-paste")]
        Box::new(
            CommandInjector::new("combo-clip-paste", "xclip", &["-selection", "clipboard"], ToStandardInput)
                .then(&["xdotool", "key", "--clearmodifiers", "ctrl+v"]),
        ),
        #[cfg(feature = "xdotool")]
        Box::new(CommandInjector::new("xdotool", "xdotool", &["type", "--"], AsLastArgument)),
        #[cfg(feature = "ydotool")]
        Box::new(CommandInjector::new("ydotool", "ydotool", &["type", "--file", "-"], ToStandardInput)),
        #[cfg(feature = "kdotool")]
        Box::new(CommandInjector::new("kdotool", "kdotool", &["type"], AsLastArgument)),
        #[cfg(feature = "wl_clipboard")]
        Box::new(CommandInjector::new("wl_clipboard", "wl-copy", &[], ToStandardInput)),
        #[cfg(feature = "clipboard")]
        Box::new(CommandInjector::new("clipboard", "xclip", &["-selection", "clipboard"], ToStandardInput)),
    ]
}

/// Tries the back ends in turn until one has typed the text.
pub struct Session {
    back_ends: Vec<Box<dyn Injector>>,
}

impl Session {
    pub fn new(back_ends: Vec<Box<dyn Injector>>) -> Self {
        Self { back_ends }
    }

    /// The name of the back end that did it.
    pub fn type_text(&mut self, text: &str) -> Result<&'static str> {
        let text = cleaned(text);
        let mut reasons = Vec::new();
        for back_end in self.back_ends.iter_mut().filter(|one| one.available()) {
            match back_end.inject(&text) {
                Ok(()) => return Ok(back_end.name()),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        let why = if reasons.is_empty() { "none is available".to_string() } else { reasons.join("; ") };
        Err(Error::Unavailable(format!("no back end could type the text: {why}")))
    }
}

#[cfg(feature = "filter")]
fn cleaned(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

#[cfg(not(feature = "filter"))]
fn cleaned(text: &str) -> String {
    text.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    impl Injector for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }
        fn available(&self) -> bool {
            true
        }
        fn inject(&mut self, _text: &str) -> Result<()> {
            Err(Error::Unavailable("broken".into()))
        }
    }

    #[test]
    fn a_broken_back_end_is_passed_over() {
        let mut session = Session::new(vec![Box::new(Broken), Box::<Transcript>::default()]);
        assert_eq!(session.type_text("hey").unwrap(), "transcript");
    }

    #[test]
    fn when_none_works_all_reasons_are_given() {
        let error = Session::new(vec![Box::new(Broken)]).type_text("hey").unwrap_err();
        assert!(error.to_string().ends_with("broken"), "{error}");
        let error = Session::new(Vec::new()).type_text("hey").unwrap_err();
        assert!(error.to_string().ends_with("none is available"), "{error}");
    }

    #[test]
    fn back_ends_have_names_of_their_own() {
        let mut names: Vec<_> = back_ends().iter().map(|one| one.name()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[cfg(feature = "filter")]
    #[test]
    fn control_characters_are_not_typed() {
        assert_eq!(cleaned("a\x1b[0m\nb"), "a[0mb");
    }
}
