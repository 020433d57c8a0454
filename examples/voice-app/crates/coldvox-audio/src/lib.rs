//! Sound as 16-bit mono samples: files, buffering, levels, tones.

pub mod level;
pub mod ring;
pub mod synth;
pub mod wav;
