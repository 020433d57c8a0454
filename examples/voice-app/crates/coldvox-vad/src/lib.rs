//! Voice activity: which stretches of a signal are speech.

mod detector;
mod segment;

#[cfg(feature = "level3")]
pub use detector::Level3;
#[cfg(feature = "silero")]
pub use detector::Silero;
pub use detector::{default_detector, Detector, Energy};
pub use segment::{Segmenter, FRAME_SAMPLES};
