//! What every crate of the workspace needs: the vocabulary and one error type.

pub mod error;
pub mod vocabulary;

pub use error::{Error, Result};
