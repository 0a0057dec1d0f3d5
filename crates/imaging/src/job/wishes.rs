//! What the tasks say about the encoding, wherever in the chain they stand (spec 11 §0).

use stowage_core::tasks::{Chain, Task, Value};

use crate::{Format, ImageError};

/// Settings of the result that tasks collect.
pub(super) struct Wishes {
    pub(super) asked: Option<Format>,
    /// `auto_image`: the format is the client's choice.
    pub(super) negotiated: bool,
    quality: Option<Quality>,
    pub(super) progressive: bool,
    /// Take the time to make the file small without loss.
    pub(super) compress: bool,
    /// Carry no metadata.
    pub(super) strip: bool,
    pub(super) cmyk: bool,
    /// Make active sources harmless.
    pub(super) secure: bool,
    pub(super) ground: [u8; 3],
    pub(super) density: Option<u16>,
    pub(super) page: u32,
}

#[derive(Clone, Copy)]
enum Quality {
    Value(u8),
    /// That of the source.
    Input,
}

/// Where a JPEG does not tell its quality.
const UNKNOWN_INPUT: u8 = 85;

impl Wishes {
    /// Takes the tasks on the encoding out of a chain; the others stay in order.
    pub(super) fn of(chain: &Chain) -> Result<(Self, Vec<&Task>), ImageError> {
        let mut wishes = Self {
            asked: None,
            negotiated: false,
            quality: None,
            progressive: false,
            compress: false,
            strip: false,
            cmyk: false,
            secure: false,
            ground: [u8::MAX; 3],
            density: None,
            page: 1,
        };
        let mut steps = Vec::new();
        for task in &chain.steps {
            match task.name() {
                "output" => wishes.output(task)?,
                "quality" => wishes.quality = number(task, "value").map(Quality::Value).or(wishes.quality),
                "compress" => {
                    wishes.compress = true;
                    wishes.strip |= !is_on(task, "metadata");
                }
                "no_metadata" => wishes.strip = true,
                "pjpg" => {
                    wishes.asked = Some(Format::Jpeg);
                    wishes.progressive = true;
                    wishes.strip |= !is_on(task, "metadata");
                    wishes.quality = number(task, "quality").map(Quality::Value).or(wishes.quality);
                }
                "auto_image" => wishes.negotiated = true,
                _ => steps.push(task),
            }
        }
        Ok((wishes, steps))
    }

    fn output(&mut self, task: &Task) -> Result<(), ImageError> {
        if let Some(word) = task.value("format").as_ref().and_then(Value::as_text) {
            let unsupported = || ImageError::Unsupported(format!("an image cannot become `{word}`"));
            self.asked = Some(Format::of_word(word).ok_or_else(unsupported)?);
            self.progressive = word == "pjpg";
        }
        if is_on(task, "docinfo") {
            return Err(ImageError::Unsupported("`docinfo` tells of documents only".to_owned()));
        }
        self.quality = match task.value("quality") {
            Some(Value::Word(_)) => Some(Quality::Input),
            _ => number(task, "quality").map(Quality::Value).or(self.quality),
        };
        self.compress |= is_on(task, "compress");
        self.strip |= is_on(task, "strip");
        self.secure |= is_on(task, "secure");
        self.cmyk = task.value("colorspace") == Some(Value::Word("cmyk"));
        if let Some(Value::Colour(colour)) = task.value("background") {
            self.ground = colour.rgb;
        }
        if let Some(Value::Integer(density)) = task.value("density") {
            self.density = u16::try_from(density).ok();
        }
        if let Some(Value::Integer(page)) = task.value("page") {
            self.page = u32::try_from(page).unwrap_or(1);
        }
        Ok(())
    }

    /// The format that is asked for; `None`: that of the source.
    pub(super) fn format(&self, negotiated: Option<Format>) -> Option<Format> {
        self.asked.or(negotiated.filter(|_| self.negotiated))
    }

    /// The quality that is asked for, given that of the source.
    pub(super) fn quality(&self, of_source: Option<u8>) -> Option<u8> {
        self.quality.map(|quality| match quality {
            Quality::Value(value) => value,
            Quality::Input => of_source.unwrap_or(UNKNOWN_INPUT),
        })
    }
}

fn is_on(task: &Task, parameter: &str) -> bool {
    task.value(parameter) == Some(Value::Boolean(true))
}

/// A percentage, at least 1.
fn number(task: &Task, parameter: &str) -> Option<u8> {
    match task.value(parameter) {
        Some(Value::Integer(number)) => u8::try_from(number).ok().map(|number| number.max(1)),
        _ => None,
    }
}
