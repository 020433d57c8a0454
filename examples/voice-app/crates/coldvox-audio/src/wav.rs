//! Reads and writes WAV files of 16-bit mono PCM.

use std::fs;
use std::path::Path;

use coldvox_foundation::{Error, Result};

/// A sound and its sample rate.
#[derive(Debug, PartialEq, Eq)]
pub struct Sound {
    pub rate_hz: u32,
    pub samples: Vec<i16>,
}

/// Reads `path`.
pub fn read(path: &Path) -> Result<Sound> {
    let bytes = fs::read(path).map_err(|error| Error::io(path.display().to_string(), error))?;
    decode(&bytes).map_err(|why| Error::format(path.display().to_string(), why))
}

/// Writes `sound` to `path`.
pub fn write(path: &Path, sound: &Sound) -> Result<()> {
    fs::write(path, encode(sound)).map_err(|error| Error::io(path.display().to_string(), error))
}

/// The file's bytes for `sound`.
pub fn encode(sound: &Sound) -> Vec<u8> {
    let length = 2 * sound.samples.len() as u32;
    let mut bytes = Vec::with_capacity(44 + length as usize);
    bytes.extend(b"RIFF");
    bytes.extend((36 + length).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend(1_u16.to_le_bytes()); // PCM
    bytes.extend(1_u16.to_le_bytes()); // one channel
    bytes.extend(sound.rate_hz.to_le_bytes());
    bytes.extend((2 * sound.rate_hz).to_le_bytes());
    bytes.extend(2_u16.to_le_bytes()); // bytes a frame
    bytes.extend(16_u16.to_le_bytes()); // bits a sample
    bytes.extend(b"data");
    bytes.extend(length.to_le_bytes());
    for sample in &sound.samples {
        bytes.extend(sample.to_le_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> std::result::Result<Sound, String> {
    if bytes.len() < 12 || &bytes[..4] != b"RIFF" || &bytes[8..12] != b"WAVE" {
        return Err("this is no WAV file".into());
    }
    let (mut rate_hz, mut rest) = (None, &bytes[12..]);
    while rest.len() >= 8 {
        let (header, after) = rest.split_at(8);
        let length = u32_at(header, 4) as usize;
        if after.len() < length {
            return Err(format!("cut short: {} of {length} bytes of a chunk", after.len()));
        }
        let (body, next) = after.split_at(length);
        match &header[..4] {
            b"fmt " => rate_hz = Some(format_of(body)?),
            b"data" => {
                let rate_hz = rate_hz.ok_or("its data come before its format")?;
                let sample = |pair: &[u8]| i16::from_le_bytes([pair[0], pair[1]]);
                let samples = body.chunks_exact(2).map(sample).collect();
                return Ok(Sound { rate_hz, samples });
            }
            _ => {}
        }
        // Chunks are padded to an even length.
        rest = &next[(length % 2).min(next.len())..];
    }
    Err("it has no data".into())
}

fn format_of(body: &[u8]) -> std::result::Result<u32, String> {
    if body.len() < 16 {
        return Err("its format chunk is too short".into());
    }
    let field = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
    match (field(0), field(2), field(14)) {
        (1, 1, 16) => Ok(u32_at(body, 4)),
        (coding, channels, bits) => Err(format!(
            "coding {coding}, {channels} channels, {bits} bits; only 16-bit mono PCM can be read"
        )),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Sound {
        Sound { rate_hz: 16_000, samples: vec![0, 1, -1, i16::MAX, i16::MIN] }
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(decode(&encode(&sound())), Ok(sound()));
    }

    #[test]
    fn unknown_chunks_are_skipped() {
        let mut bytes = encode(&sound());
        let chunk = [b"LIST".as_slice(), &3_u32.to_le_bytes(), b"abc\0"].concat();
        bytes.splice(12..12, chunk);
        assert_eq!(decode(&bytes), Ok(sound()));
    }

    #[test]
    fn damaged_files_are_refused_with_the_reason() {
        let whole = encode(&sound());
        let mut stereo = whole.clone();
        stereo[22] = 2;
        let cases = [
            (&b"hello"[..], "no WAV file"),
            (&whole[..whole.len() - 1], "cut short"),
            (&whole[..36], "no data"),
            (&stereo[..], "2 channels"),
        ];
        for (bytes, reason) in cases {
            let error = decode(bytes).unwrap_err();
            assert!(error.contains(reason), "{error} does not say '{reason}'");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("no/such.wav")).unwrap_err();
        assert!(error.to_string().starts_with("no/such.wav: "));
    }
}
