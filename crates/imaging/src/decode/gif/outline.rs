//! What the blocks of a GIF say without its pixels (GIF89a §§18–26).

use crate::ImageError;

/// Found by skipping from block to block.
#[derive(Default)]
pub(super) struct Outline {
    /// Of the logical screen, or of the first frame where that is larger.
    pub(super) width: u16,
    /// See `width`.
    pub(super) height: u16,
    /// Frames that begin in the file.
    pub(super) frames: u32,
    /// Pixels of all frames as they are stored.
    pub(super) area: u64,
    /// Pixels of the first frame as it is stored.
    pub(super) first_area: u64,
    /// Times the animation is shown; 0: for ever.
    pub(super) loops: u16,
}

impl Outline {
    /// Walks all blocks up to the trailer, the end of what is there, or one frame more than `most`.
    pub(super) fn read(bytes: &[u8], most: u32) -> Result<Self, ImageError> {
        if !bytes.starts_with(b"GIF87a") && !bytes.starts_with(b"GIF89a") {
            return Err(ImageError::UnsupportedInput);
        }
        let mut outline = Self { loops: 1, ..Self::default() };
        // What is cut off in the walk is an error in decoding, if it is ever reached.
        let _cut_off = outline.walk(&mut Bytes(&bytes[6..]), most);
        if outline.frames == 0 {
            return Err(ImageError::Broken("no frame".to_owned()));
        }
        Ok(outline)
    }

    fn walk(&mut self, bytes: &mut Bytes<'_>, most: u32) -> Option<()> {
        self.width = bytes.short()?;
        self.height = bytes.short()?;
        let flags = bytes.byte()?;
        bytes.take(2)?;
        bytes.skip_palette(flags)?;
        while self.frames <= most {
            match bytes.byte()? {
                0x2c => self.frame(bytes)?,
                0x21 => self.extension(bytes)?,
                0x3b => return Some(()),
                // As decoders do: a stray byte is skipped.
                _ => {}
            }
        }
        Some(())
    }

    fn frame(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        let [left, top, width, height] = [bytes.short()?, bytes.short()?, bytes.short()?, bytes.short()?];
        let area = u64::from(width) * u64::from(height);
        if self.frames == 0 {
            self.first_area = area;
            self.width = self.width.max(left.saturating_add(width));
            self.height = self.height.max(top.saturating_add(height));
        }
        self.frames += 1;
        self.area += area;
        let flags = bytes.byte()?;
        bytes.skip_palette(flags)?;
        bytes.byte()?;
        while !bytes.block()?.is_empty() {}
        Some(())
    }

    fn extension(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        let application = bytes.byte()? == 0xff;
        let mut block = bytes.block()?;
        let loops = application && (block == b"NETSCAPE2.0" || block == b"ANIMEXTS1.0");
        while !block.is_empty() {
            block = bytes.block()?;
            if let ([1, low, high], true) = (block, loops) {
                // The number tells how often the animation is repeated after it was shown once; 0: for ever.
                self.loops = match u16::from_le_bytes([*low, *high]) {
                    0 => 0,
                    again => again.saturating_add(1),
                };
            }
        }
        Some(())
    }
}

/// What is left of the file.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    fn short(&mut self) -> Option<u16> {
        self.take(2).map(|taken| u16::from_le_bytes([taken[0], taken[1]]))
    }

    /// A block with its length before it; an empty one ends a sequence.
    fn block(&mut self) -> Option<&'a [u8]> {
        let length = self.byte()?;
        self.take(usize::from(length))
    }

    fn skip_palette(&mut self, flags: u8) -> Option<()> {
        if flags & 0x80 != 0 {
            self.take(3 << ((flags & 7) + 1))?;
        }
        Some(())
    }
}
