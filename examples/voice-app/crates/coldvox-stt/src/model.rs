//! The model file: a bank of tones and, for each word, a bias and one weight a tone.

use std::fs;
use std::path::Path;

use coldvox_foundation::{Error, Result};

/// A linear classifier over tone levels.
#[derive(Debug, PartialEq)]
pub struct Model {
    pub name: String,
    /// The filter bank's frequencies, in Hz.
    pub bands_hz: Vec<u32>,
    /// Word, bias, weights.
    pub rows: Vec<(String, f64, Vec<f64>)>,
}

impl Model {
    /// Reads the model in `path`.
    pub fn load(path: &Path) -> Result<Self> {
        let what = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| Error::io(&what, error))?;
        Self::parse(&text).map_err(|why| Error::format(what, why))
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let lines = text.lines().map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut header = |key: &str| -> std::result::Result<String, String> {
            let line = lines.next().unwrap_or_default();
            match line.split_once(' ') {
                Some((found, value)) if found == key => Ok(value.trim().to_string()),
                _ => Err(format!("expected '{key} …', found '{line}'")),
            }
        };
        let name = header("model")?;
        let bands_hz = header("bands")?
            .split_whitespace()
            .map(|hz| hz.parse().map_err(|_| format!("'{hz}' is no frequency")))
            .collect::<std::result::Result<Vec<u32>, _>>()?;
        let rows = lines.map(|line| row(line, bands_hz.len())).collect::<std::result::Result<Vec<_>, _>>()?;
        if rows.is_empty() {
            return Err("it knows no word".into());
        }
        Ok(Self { name, bands_hz, rows })
    }

    /// The best word for these levels (one a band), and by how much it wins. None when the best score is not
    /// positive.
    pub fn best(&self, levels: &[f64]) -> Option<(&str, f64)> {
        let score = |(_, bias, weights): &(String, f64, Vec<f64>)| -> f64 {
            bias + weights.iter().zip(levels).map(|(weight, level)| weight * level).sum::<f64>()
        };
        let mut scored: Vec<_> = self.rows.iter().map(|row| (row.0.as_str(), score(row))).collect();
        scored.sort_by(|a, b| b.1.total_cmp(&a.1));
        let second = scored.get(1).map_or(0.0, |other| other.1);
        scored.first().filter(|best| best.1 > 0.0).map(|best| (best.0, best.1 - second))
    }
}

fn row(line: &str, bands: usize) -> std::result::Result<(String, f64, Vec<f64>), String> {
    let mut fields = line.split_whitespace();
    let word = fields.next().unwrap_or_default().to_string();
    let numbers = fields
        .map(|field| field.parse().map_err(|_| format!("'{field}' is no number")))
        .collect::<std::result::Result<Vec<f64>, _>>()?;
    match numbers.split_first() {
        Some((&bias, weights)) if weights.len() == bands => Ok((word, bias, weights.to_vec())),
        _ => Err(format!("'{word}' has {} numbers; a bias and {bands} weights are needed", numbers.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "# a comment\nmodel tiny\nbands 700 1200\n\nlow -0.1 1 -1\nhigh -0.1 -1 1\n";

    #[test]
    fn the_best_word_is_the_one_with_the_highest_score() {
        let model = Model::parse(SMALL).unwrap();
        assert_eq!(model.name, "tiny");
        assert_eq!(model.best(&[0.5, 0.0]).map(|best| best.0), Some("low"));
        assert_eq!(model.best(&[0.0, 0.5]).map(|best| best.0), Some("high"));
        assert_eq!(model.best(&[0.0, 0.0]), None);
    }

    #[test]
    fn a_damaged_model_is_refused_with_the_reason() {
        let cases = [
            ("", "expected 'model"),
            ("model tiny\nlow 1", "expected 'bands"),
            ("model tiny\nbands x", "no frequency"),
            ("model tiny\nbands 700", "no word"),
            ("model tiny\nbands 700\nlow 1", "1 numbers"),
            ("model tiny\nbands 700\nlow 1 y", "no number"),
        ];
        for (text, reason) in cases {
            let error = Model::parse(text).unwrap_err();
            assert!(error.contains(reason), "{error} does not say '{reason}'");
        }
    }
}
