//! Types text into the focused window. Which programs may be used is decided by features at build time, which
//! of them works is found out at run time.

mod backend;
mod command;

pub use backend::{back_ends, Injector, Session, Transcript};
pub use command::{CommandInjector, TextGoes};
