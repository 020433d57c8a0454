//! What the test files share: the built program, a folder, processes and waits that end.

// Each test file is a crate of its own and takes from here what it needs.
#![allow(dead_code)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// More than a busy machine needs for one step, and less than a person's patience.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The built program, in the folder where its model lies.
///
/// Both paths are found at run time. `env!` would bake in the folder of the first build, and a target directory
/// that comes from a cache may have been built elsewhere: Cargo takes it for fresh all the same.
pub fn coldvox(arguments: &[&str]) -> Command {
    let test = std::env::current_exe().expect("the test knows its own path");
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo test sets it");
    let mut command = Command::new(test.with_file_name("../coldvox"));
    command.args(arguments).current_dir(Path::new(&package).join("..")).env_remove("COLDVOX_MODEL");
    command
}

/// A folder with a name that nothing else has, removed with its owner.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        // In a container process ids are few, and one that was killed leaves its folder behind.
        let name = format!("coldvox-{}-{}", std::process::id(), now.as_nanos());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        Self(folder)
    }

    pub fn name(&self) -> String {
        self.0.file_name().expect("it was given one").to_string_lossy().into_owned()
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).into_os_string().into_string().expect("a path in UTF-8")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that is killed and reaped with its owner, also when a test panics.
pub struct Process {
    child: Child,
    name: String,
    log: String,
}

impl Process {
    /// What it says goes to a file, not to a pipe: xclip stays behind to serve the clipboard, and who reads a pipe
    /// to its end would wait for it.
    #[track_caller]
    pub fn start(command: &mut Command, scratch: &Scratch) -> Self {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let log = scratch.path(&format!("{name}.log"));
        let file = File::create(&log).expect("a log can be written");
        let same = file.try_clone().expect("a log has two writers");
        let child = match command.stdin(Stdio::null()).stdout(file).stderr(same).spawn() {
            Ok(child) => child,
            Err(error) => panic!("{name} cannot be started: {error}"),
        };
        Self { child, name, log }
    }

    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).trim_end().to_string()
    }

    #[track_caller]
    pub fn assert_running(&mut self) {
        if let Some(status) = self.status() {
            panic!("{} has ended: {status}: {}", self.name, self.said());
        }
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the process is ours")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it has ended and was reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the command said, once it has succeeded.
#[track_caller]
pub fn finish(command: &mut Command, scratch: &Scratch) -> String {
    let what = format!("{command:?}");
    let mut process = Process::start(command, scratch);
    let status = wait_for(|| process.status().ok_or_else(|| format!("{what} has not ended")));
    let said = process.said();
    assert!(status.success(), "{what}: {status}: {said}");
    said
}

/// Looks until there is something; panics with the last reason why not when patience has run out.
#[track_caller]
pub fn wait_for<T>(mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) => assert!(Instant::now() < deadline, "after {PATIENCE:?}: {why}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
