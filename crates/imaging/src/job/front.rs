//! The first tasks of a chain, as far as they only choose a part, a size and a turn: decoding then does no more than they need.

use stowage_core::tasks::{Task, Value};

use crate::{
    Bitmap, ImageError, Orientation, Region,
    decode::{Header, Wish},
    faces,
    steps::{
        Bounds, Step,
        geometry::{Placement, looks_for_faces, placement, turned},
        scale::scale,
    },
};

/// A cut, then a scaling, then a turn.
pub(super) struct Front {
    /// In stored pixels; `None`: all of it in its own size.
    cut: Option<Placement>,
    /// What the picture has to be scaled to before the cut is known (`align:faces`), and the task that cuts.
    by_faces: Option<Task>,
    turn: Orientation,
    linear: bool,
}

/// A turn by the orientation tag in the middle of a chain.
pub(super) struct Turn(pub(super) Orientation);

impl Step for Turn {
    fn apply(&mut self, bitmap: Bitmap) -> Result<Bitmap, ImageError> {
        let (turns, mirrored) = self.0.upright();
        Ok(turned(bitmap, turns, mirrored))
    }
}

/// `rotate` as far as it concerns the orientation tag (spec 11 §1.3).
pub(super) enum Rotation {
    /// By the tag.
    Upright,
    /// By an angle, or not at all; the tag is forgotten if `forgets`.
    Angle { forgets: bool },
}

impl Rotation {
    /// What a task says; `None`: it is not `rotate`.
    pub(super) fn of(task: &Task) -> Option<Self> {
        if task.name() != "rotate" {
            return None;
        }
        let kept = task.value("exif");
        Some(match (task.value("deg"), &kept) {
            (Some(Value::Word(_)), _) | (None, None) => Self::Upright,
            _ => Self::Angle { forgets: kept == Some(Value::Boolean(false)) },
        })
    }
}

impl Front {
    /// What the first tasks add up to, and how many they are.
    pub(super) fn of(
        tasks: &[&Task],
        header: &Header,
        orientation: Orientation,
        linear: bool,
    ) -> Result<(Self, usize), ImageError> {
        let mut rest = tasks.iter().copied().peekable();
        let mut taken = 0;
        let mut turn = Orientation::Upright;
        if let Some(task) = rest.peek()
            && matches!(Rotation::of(task), Some(Rotation::Upright))
        {
            turn = orientation;
            rest.next();
            taken += 1;
        }
        let (width, height) = upright_sides(turn, header.width, header.height);
        let mut cut: Option<Placement> = None;
        let mut by_faces = None;
        if let Some(task) = rest.next_if(|task| task.name() == "crop") {
            cut = Some(placement(task, width, height, None)?);
            taken += 1;
        }
        if let Some(task) = rest.next_if(|task| task.name() == "resize") {
            let (from_width, from_height) = cut.map_or((width, height), |cut| (cut.width, cut.height));
            // Faces are looked for in what the cut leaves, which has to be decoded first.
            if !looks_for_faces(task) || cut.is_none() {
                let mut next = placement(task, from_width, from_height, None)?;
                if looks_for_faces(task) {
                    by_faces = Some((*task).clone());
                }
                if let Some(cut) = cut {
                    next.part.x += cut.part.x;
                    next.part.y += cut.part.y;
                }
                cut = Some(next);
                taken += 1;
            }
        }
        let whole = Region::whole(width, height);
        let cut =
            cut.filter(|cut| by_faces.is_some() || cut.part != whole || (cut.width, cut.height) != (width, height));
        Ok((Self { cut, by_faces, turn, linear }, taken))
    }

    /// No change at all.
    pub(super) fn nothing() -> Self {
        Self { cut: None, by_faces: None, turn: Orientation::Upright, linear: false }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.cut.is_none() && self.turn == Orientation::Upright
    }

    /// Whether the picture stands upright afterwards because this turned it.
    pub(super) fn turns(&self) -> bool {
        self.turn != Orientation::Upright
    }

    /// Refuses a result that would be too large.
    pub(super) fn check(&self, bounds: Bounds) -> Result<(), ImageError> {
        self.cut.map_or(Ok(()), |cut| bounds.check(cut.width, cut.height))
    }

    /// The wish that spares work; `None`: all pixels are needed.
    pub(super) fn narrowed(&self, wish: &Wish, header: &Header) -> Option<Wish> {
        let cut = self.cut?;
        let (turns, _) = self.turn.upright();
        let (width, height) = if turns % 2 == 1 { (cut.height, cut.width) } else { (cut.width, cut.height) };
        let part = self.stored(cut.part, header.width, header.height);
        if self.by_faces.is_some() {
            // As many pixels of the whole picture as the part will need.
            let factor = (f64::from(width) / part.width).max(f64::from(height) / part.height);
            let side = |side: u32| (f64::from(side) * factor).ceil() as u32;
            return Some(Wish { scaled_to: Some((side(header.width), side(header.height))), ..*wish });
        }
        let region = (part != Region::whole(header.width, header.height)).then_some(part);
        Some(Wish { region, scaled_to: Some((width, height)), ..*wish })
    }

    /// Works on one frame, which shows the part `shows` of a stored picture of `width` and `height`.
    pub(super) fn apply(
        &mut self,
        bitmap: Bitmap,
        shows: Region,
        width: u32,
        height: u32,
    ) -> Result<Bitmap, ImageError> {
        let (turns, mirrored) = self.turn.upright();
        let Some(mut cut) = self.cut else { return Ok(turned(bitmap, turns, mirrored)) };
        // Stored pixels to pixels of the bitmap.
        let (across, down) = (f64::from(bitmap.width) / shows.width, f64::from(bitmap.height) / shows.height);
        if let Some(task) = self.by_faces.take() {
            let upright = turned(bitmap.clone(), turns, mirrored);
            let (full_width, full_height) = upright_sides(self.turn, width, height);
            let grown = f64::from(full_width) / f64::from(upright.width);
            let found = faces::bounding(&faces::detect(&upright)).map(|found| Region {
                x: found.x * grown,
                y: found.y * grown,
                width: found.width * grown,
                height: found.height * grown,
            });
            cut = placement(&task, full_width, full_height, found)?;
            // Further frames are cut alike.
            self.cut = Some(cut);
        }
        let part = self.stored(cut.part, width, height);
        let part = Region {
            x: (part.x - shows.x) * across,
            y: (part.y - shows.y) * down,
            width: part.width * across,
            height: part.height * down,
        };
        let (to_width, to_height) = if turns % 2 == 1 { (cut.height, cut.width) } else { (cut.width, cut.height) };
        let scaled = scale(&bitmap, within(part, &bitmap), to_width, to_height, self.linear)?;
        drop(bitmap);
        Ok(turned(scaled, turns, mirrored))
    }

    /// A region of the upright picture in the stored one, whose sides are given.
    fn stored(&self, region: Region, width: u32, height: u32) -> Region {
        let (turns, mirrored) = self.turn.upright();
        let (width, height) = (f64::from(width), f64::from(height));
        let upright_width = if turns % 2 == 1 { height } else { width };
        let Region { x, y, width: across, height: down } = region;
        let x = if mirrored { upright_width - x - across } else { x };
        match turns {
            1 => Region { x: y, y: height - x - across, width: down, height: across },
            2 => Region { x: width - x - across, y: height - y - down, width: across, height: down },
            3 => Region { x: width - y - down, y: x, width: down, height: across },
            _ => Region { x, ..region },
        }
    }
}

/// Rounding must not lead out of the bitmap.
fn within(part: Region, bitmap: &Bitmap) -> Region {
    let (width, height) = (f64::from(bitmap.width), f64::from(bitmap.height));
    let x = part.x.clamp(0.0, width - f64::MIN_POSITIVE);
    let y = part.y.clamp(0.0, height - f64::MIN_POSITIVE);
    Region { x, y, width: part.width.min(width - x), height: part.height.min(height - y) }
}

fn upright_sides(turn: Orientation, width: u32, height: u32) -> (u32, u32) {
    if turn.upright().0 % 2 == 1 { (height, width) } else { (width, height) }
}
