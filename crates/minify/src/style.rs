//! Style sheets.

use lightningcss::stylesheet::{MinifyOptions, ParserOptions, PrinterOptions, StyleSheet};

use crate::MinifyError;

/// A smaller style sheet. Level 1 writes each property as short as it can be, level 2 joins and reorders rules beside that
/// (spec 12 §9).
///
/// # Errors
/// A sheet with a syntax error is refused, since what browsers skip would be lost here.
pub fn css(text: &str, level: u8) -> Result<String, MinifyError> {
    let mut sheet = StyleSheet::parse(text, ParserOptions::default()).map_err(|error| {
        let (line, column) =
            error.loc.as_ref().map_or((1, 1), |place| (place.line as usize + 1, place.column as usize));
        MinifyError::Syntax { line, column, reason: error.kind.to_string() }
    })?;
    let unwritable = |error: &dyn std::fmt::Display| MinifyError::Unwritable(error.to_string());
    if level >= 2 {
        sheet.minify(MinifyOptions::default()).map_err(|error| unwritable(&error))?;
    }
    let options = PrinterOptions { minify: true, ..PrinterOptions::default() };
    Ok(sheet.to_css(options).map_err(|error| unwritable(&error))?.code)
}
