//! Speech to text. A "word" is two tones that sound together, so recognition needs no large model and its
//! result is certain; the shape (engines behind features, a model file with a digest) is the real thing's.

mod engine;
pub mod model;

#[cfg(feature = "vosk")]
pub use engine::Vosk;
#[cfg(feature = "whisper")]
pub use engine::Whisper;
pub use engine::{engines, Engine};
pub use model::Model;
