//! Turns vocabulary.txt into a table of words and a bank of tone filters, so that nothing is parsed at run time.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

/// Shown by `coldvox version`: tells which generation of this script made the table.
const TABLE_REVISION: u32 = 1;
const SAMPLE_RATE_HZ: u32 = 16_000;

fn main() {
    // With any rerun-if-changed line Cargo looks at the named files only; build.rs itself is always watched.
    println!("cargo:rerun-if-changed=vocabulary.txt");

    let text = fs::read_to_string("vocabulary.txt").expect("vocabulary.txt can be read");
    let words: Vec<(&str, u32, u32)> = text.lines().filter_map(parse).collect();
    let tones: BTreeSet<u32> = words.iter().flat_map(|word| [word.1, word.2]).collect();

    let mut table = String::new();
    writeln!(table, "pub const TABLE_REVISION: u32 = {TABLE_REVISION};").unwrap();
    writeln!(table, "pub const SAMPLE_RATE_HZ: u32 = {SAMPLE_RATE_HZ};").unwrap();
    writeln!(table, "pub const WORDS: &[Word] = &[").unwrap();
    for (text, low, high) in &words {
        writeln!(table, "    Word {{ text: {text:?}, low_hz: {low}, high_hz: {high} }},").unwrap();
    }
    writeln!(table, "];\npub const TONES: &[Tone] = &[").unwrap();
    for hz in tones {
        let angle = 2.0 * std::f64::consts::PI * f64::from(hz) / f64::from(SAMPLE_RATE_HZ);
        let coefficient = 2.0 * angle.cos();
        writeln!(table, "    Tone {{ hz: {hz}, coefficient: {coefficient:?} }},").unwrap();
    }
    writeln!(table, "];").unwrap();

    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR"));
    fs::write(folder.join("vocabulary.rs"), table).expect("the table can be written");
}

fn parse(line: &str) -> Option<(&str, u32, u32)> {
    let mut fields = line.split('#').next()?.split_whitespace();
    let word = fields.next()?;
    let mut tone = || -> u32 {
        let field = fields.next().unwrap_or_else(|| panic!("'{line}' lacks a tone"));
        field.parse().unwrap_or_else(|_| panic!("'{field}' is no frequency"))
    };
    Some((word, tone(), tone()))
}
