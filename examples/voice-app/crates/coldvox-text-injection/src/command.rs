use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use coldvox_foundation::{Error, Result};

use crate::Injector;

/// How the text reaches the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextGoes {
    ToStandardInput,
    AsLastArgument,
}

/// A back end that is another program, with an optional second command to run afterwards (a paste key).
#[derive(Debug)]
pub struct CommandInjector {
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    text: TextGoes,
    then: Option<&'static [&'static str]>,
}

impl CommandInjector {
    pub fn new(
        name: &'static str,
        program: &'static str,
        arguments: &'static [&'static str],
        text: TextGoes,
    ) -> Self {
        Self { name, program, arguments, text, then: None }
    }

    /// Also runs this command once the text was taken.
    pub fn then(self, command: &'static [&'static str]) -> Self {
        Self { then: Some(command), ..self }
    }
}

impl Injector for CommandInjector {
    fn name(&self) -> &'static str {
        self.name
    }

    fn available(&self) -> bool {
        let second = self.then.and_then(|command| command.first());
        [Some(&self.program), second].into_iter().flatten().all(|program| on_path(program))
    }

    fn inject(&mut self, text: &str) -> Result<()> {
        let mut command = Command::new(self.program);
        command.args(self.arguments);
        match self.text {
            TextGoes::AsLastArgument => run(command.arg(text), None)?,
            TextGoes::ToStandardInput => run(&mut command, Some(text))?,
        }
        match self.then {
            Some([program, arguments @ ..]) => run(Command::new(program).args(arguments), None),
            _ => Ok(()),
        }
    }
}

fn run(command: &mut Command, input: Option<&str>) -> Result<()> {
    let what = command.get_program().to_string_lossy().into_owned();
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    // xclip stays in the background, and would keep a pipe that reads our output open.
    command.stdin(stdin).stdout(Stdio::null());
    let mut child = command.spawn().map_err(|error| Error::io(&what, error))?;
    if let (Some(text), Some(mut pipe)) = (input, child.stdin.take()) {
        pipe.write_all(text.as_bytes()).map_err(|error| Error::io(&what, error))?;
    }
    let status = child.wait().map_err(|error| Error::io(&what, error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Unavailable(format!("{what} failed: {status}")))
    }
}

fn on_path(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder: PathBuf| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injector(program: &'static str) -> CommandInjector {
        CommandInjector::new("test", program, &[], TextGoes::ToStandardInput)
    }

    #[test]
    fn a_missing_program_is_not_available() {
        assert!(!injector("no-such-program").available());
        assert!(!injector("cat").then(&["no-such-program"]).available());
        assert!(injector("cat").then(&["true"]).available());
    }

    #[test]
    fn a_failing_program_is_an_error_that_names_it() {
        let error = injector("true").then(&["false"]).inject("").unwrap_err();
        assert!(error.to_string().starts_with("false failed"), "{error}");
    }
}
