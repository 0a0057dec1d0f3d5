//! One job: sources and a chain in, one file out.

mod front;
mod report;
mod unchanged;
mod wishes;

use serde::{Deserialize, Serialize};
pub use stowage_core::app::ImageProfile as Profile;
use stowage_core::tasks::{Chain, Task, Value};

use crate::{
    Bitmap, Format, ImageError, Metadata, Region, colour,
    decode::{self, FrameReader, Header, Opened, Wish},
    encode::{self, Encoding},
    steps::{self, Bounds, Overlays, Step, geometry::turned},
};
use front::{Front, Rotation};
use wishes::Wishes;

/// The bytes that a job works on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The source, or the members of a list.
    pub sources: &'a [&'a [u8]],
    /// What the steps name themselves, in the order of [`overlays()`].
    pub overlays: &'a [&'a [u8]],
}

/// What a job may use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Most pixels of a picture, all frames of an animation added up.
    pub max_pixels: u64,
    /// Most pixels of a result and of anything in between.
    pub max_output_pixels: u64,
    /// Most frames of an animation.
    pub max_frames: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 100_000_000, max_output_pixels: 100_000_000, max_frames: 2_000 }
    }
}

/// What a job is told beside its inputs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// What it may use.
    pub limits: Limits,
    /// How much effort.
    pub profile: Profile,
    /// The format that `auto_image` stands for; `None`: that of the source.
    pub negotiated: Option<Format>,
}

/// A result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub media_type: &'static str,
    /// Its usual extension, without dot.
    pub extension: &'static str,
}

impl Outcome {
    fn of(format: Format, bytes: Vec<u8>) -> Self {
        let (media_type, extension) = format.names();
        Self { bytes, media_type, extension }
    }
}

/// The files that the steps of a chain name themselves (`watermark=file:…`, `collage=files:[…]`): steps in their order, and the
/// files of a step as they are written.
pub fn overlays(chain: &Chain) -> Vec<String> {
    let named = |step: &Task| match (step.name(), step.value("file"), step.value("files")) {
        ("watermark", Some(Value::Text(file)), _) => vec![file],
        ("collage", _, Some(Value::List(files))) => {
            files.iter().filter_map(Value::as_text).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    chain.steps.iter().flat_map(named).collect()
}

/// Pixels that decoding leaves for scaling; see [`Wish::spare`].
fn spare(profile: Profile) -> f64 {
    match profile {
        // Just below 2: photos of 4,000 pixels become 512 from a quarter of their size, which takes a third less time than from the half and
        // looks the same.
        Profile::Standard => 1.9,
        Profile::Quality => 4.0,
        Profile::Fast => 1.0,
    }
}

/// Does what the steps of the chain say.
///
/// # Errors
/// Inputs that cannot be read, steps that do not fit them, results that are too large.
pub fn run(inputs: Inputs<'_>, chain: &Chain, settings: &Settings) -> Result<Outcome, ImageError> {
    let (wishes, tasks) = Wishes::of(chain)?;
    let job = Job { inputs, wishes, settings, bounds: Bounds { max_pixels: settings.limits.max_output_pixels } };
    job.run(&tasks)
}

struct Job<'a> {
    inputs: Inputs<'a>,
    wishes: Wishes,
    settings: &'a Settings,
    bounds: Bounds,
}

/// Where frames come from, and what is done with each of them first.
struct Source<'a> {
    opened: Opened<'a>,
    front: Front,
    /// Tasks that the front has taken.
    taken: usize,
}

/// What is done with each frame, and what its result has still to be turned by.
struct Work<'a> {
    front: Front,
    /// What the front needs to know of the source.
    shows: Region,
    header: Header,
    steps: Vec<Box<dyn Step + 'a>>,
    bounds: Bounds,
}

impl Work<'_> {
    fn apply(&mut self, bitmap: Bitmap) -> Result<Bitmap, ImageError> {
        let mut bitmap = self.front.apply(bitmap, self.shows, self.header.width, self.header.height)?;
        for step in &mut self.steps {
            self.bounds.check(bitmap.width, bitmap.height)?;
            bitmap = step.apply(bitmap)?;
        }
        self.bounds.check(bitmap.width, bitmap.height)?;
        Ok(bitmap)
    }
}

impl<'a> Job<'a> {
    fn run(&self, tasks: &[&Task]) -> Result<Outcome, ImageError> {
        let first = *self.inputs.sources.first().ok_or(ImageError::UnsupportedInput)?;
        let opened = match tasks.first() {
            Some(task) if task.name() == "imagesize" && tasks.len() == 1 => {
                let header = decode::header(first, &Wish::default(), &self.settings.limits)?;
                return Ok(report::size_of(header.width, header.height));
            }
            Some(task) if task.name() == "qr" => match steps::qr::drawing(task, first)? {
                Some(drawing) if tasks.len() == 1 => return Ok(drawing),
                _ => steps::qr::open(task, first)?,
            },
            Some(task) if task.name() == "animate" => {
                steps::animate::open(task, self.inputs.sources, &self.settings.limits, self.bounds)?
            }
            _ => return self.picture(first, tasks),
        };
        self.finish(Source { opened, front: Front::nothing(), taken: 1 }, tasks)
    }

    fn picture(&self, bytes: &'a [u8], tasks: &[&Task]) -> Result<Outcome, ImageError> {
        let source = self.open(bytes, tasks)?;
        if source.taken < tasks.len() || !source.front.is_nothing() {
            return self.finish(source, tasks);
        }
        if let Some(outcome) = unchanged::answer(bytes, &source.opened, &self.wishes, self.settings)? {
            return Ok(outcome);
        }
        let format = source.opened.header.format;
        unchanged::if_not_larger(bytes, &self.wishes, self.finish(source, tasks)?, format)
    }

    /// Opens a picture so that no more of it is decoded than the first tasks need.
    fn open(&self, bytes: &'a [u8], tasks: &[&Task]) -> Result<Source<'a>, ImageError> {
        let limits = &self.settings.limits;
        let wish = Wish {
            spare: spare(self.settings.profile),
            page: self.wishes.page,
            density: self.wishes.density.map(f64::from),
            ..Wish::default()
        };
        let opened = decode::open(bytes, &wish, limits)?;
        let (front, taken) = Front::of(tasks, &opened.header, opened.metadata.orientation, self.linear())?;
        front.check(self.bounds)?;
        let opened = match front.narrowed(&wish, &opened.header) {
            Some(narrow) => decode::open(bytes, &narrow, limits)?,
            None => opened,
        };
        Ok(Source { opened, front, taken })
    }

    fn linear(&self) -> bool {
        self.settings.profile == Profile::Quality
    }

    /// The steps behind the front, then what they lead to.
    fn finish(&self, source: Source<'a>, tasks: &[&Task]) -> Result<Outcome, ImageError> {
        let Source { opened, front, taken } = source;
        let Opened { header, mut metadata, loops, shows, mut frames } = opened;
        if front.turns() {
            metadata.set_upright();
        }
        let tasks = &tasks[taken..];
        let (tasks, report) = report::split(tasks)?;
        let steps = self.steps(tasks, &mut metadata)?;
        let mut work = Work { front, shows, header, steps, bounds: self.bounds };
        if let Some(report) = report {
            let frame = frames.next_frame()?.ok_or(ImageError::UnsupportedInput)?;
            return report::answer(report, &work.apply(frame.bitmap)?);
        }
        self.encode(work, metadata, loops, frames, !tasks.is_empty())
    }

    /// The steps that tasks stand for. Those that turn the picture by its tag settle the tag.
    fn steps(&self, tasks: &[&Task], metadata: &mut Metadata) -> Result<Vec<Box<dyn Step + 'a>>, ImageError> {
        let mut overlays = Overlays::new(self.inputs.overlays, self.settings.limits);
        let mut steps: Vec<Box<dyn Step + 'a>> = Vec::with_capacity(tasks.len());
        for task in tasks {
            match Rotation::of(task) {
                Some(Rotation::Upright) => {
                    steps.push(Box::new(front::Turn(metadata.orientation)));
                    metadata.set_upright();
                    continue;
                }
                Some(Rotation::Angle { forgets: true }) => metadata.set_upright(),
                _ => {}
            }
            if task.name() == "collage" {
                // The tag of one picture says nothing about a canvas of several.
                if task.value("autorotate") == Some(Value::Boolean(true)) {
                    steps.push(Box::new(front::Turn(metadata.orientation)));
                }
                metadata.set_upright();
            }
            steps.push(steps::of(task, self.bounds, self.linear(), &mut overlays)?);
        }
        Ok(steps)
    }

    /// `paints`: the steps may bring in colours from elsewhere.
    fn encode(
        &self,
        mut work: Work<'a>,
        mut metadata: Metadata,
        loops: u16,
        mut frames: Box<dyn FrameReader + 'a>,
        paints: bool,
    ) -> Result<Outcome, ImageError> {
        let header = work.header.clone();
        let mut frame = frames.next_frame()?.ok_or(ImageError::UnsupportedInput)?;
        frame.bitmap = work.apply(frame.bitmap)?;
        let format = self.wishes.format(self.settings.negotiated).unwrap_or_else(|| match header.format {
            kept if kept.is_kept() => kept,
            _ if frame.bitmap.has_transparency() => Format::Png,
            _ => Format::Jpeg,
        });
        // Turned for good where the result cannot say how it has to be turned.
        let keeps_tag = header.format == Format::Jpeg && format == Format::Jpeg && !self.wishes.strip;
        let (turns, mirrored) = if keeps_tag { (0, false) } else { metadata.orientation.upright() };
        if !keeps_tag {
            metadata.set_upright();
        }
        // A profile is kept as long as nobody mixes colours with it; else the result is sRGB.
        let profile =
            metadata.icc.take_if(|_| self.wishes.strip || self.wishes.cmyk || paints || !format.holds_profile());
        if self.wishes.strip {
            metadata = Metadata::default();
        }
        let animated = format.animates() && header.frames > 1;
        let mut writer = encode::writer(&self.encoding(format, &header, animated, loops), &metadata)?;
        loop {
            if let Some(profile) = profile.as_ref().filter(|profile| !colour::is_srgb(profile)) {
                frame.bitmap = colour::to_srgb(frame.bitmap, profile);
            }
            frame.bitmap = turned(frame.bitmap, turns, mirrored);
            writer.write(frame)?;
            if !animated {
                break;
            }
            let Some(next) = frames.next_frame()? else { break };
            frame = next;
            frame.bitmap = work.apply(frame.bitmap)?;
        }
        Ok(Outcome::of(format, writer.finish()?))
    }

    fn encoding(&self, format: Format, header: &Header, animated: bool, loops: u16) -> Encoding {
        Encoding {
            format,
            quality: self.wishes.quality(header.quality),
            progressive: self.wishes.progressive,
            smallest: self.wishes.compress,
            fast: self.settings.profile == Profile::Fast,
            cmyk: self.wishes.cmyk,
            density: self.wishes.density,
            ground: self.wishes.ground,
            animated,
            loops,
        }
    }
}
