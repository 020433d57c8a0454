use std::fmt;

/// What can go wrong, in words for the person at the keyboard.
#[derive(Debug)]
pub enum Error {
    /// A file is not what it should be: its name and the reason.
    Format { what: String, why: String },
    /// The operating system refused: what was tried and its answer.
    Io { what: String, source: std::io::Error },
    /// No back end could do it.
    Unavailable(String),
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn format(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Format { what: what.into(), why: why.into() }
    }

    pub fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format { what, why } => write!(f, "{what}: {why}"),
            Self::Io { what, source } => write!(f, "{what}: {source}"),
            Self::Unavailable(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn a_format_error_names_the_thing_and_the_reason() {
        assert_eq!(Error::format("a.wav", "no RIFF header").to_string(), "a.wav: no RIFF header");
    }

    #[test]
    fn an_io_error_keeps_its_source() {
        let error = Error::io("open a.wav", std::io::Error::from_raw_os_error(2));
        assert!(error.source().is_some());
        assert!(error.to_string().starts_with("open a.wav: "));
    }
}
