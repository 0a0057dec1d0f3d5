//! Colours of a frame to at most 256.

use quantette::color_map::NearestNeighborColorMap;
use quantette::color_space::srgb8_to_oklab;
use quantette::deps::palette::{Oklab, Srgb};
use quantette::{PaletteSize, Pipeline, QuantizeMethod, color_map::IndexedColorMap};

use crate::ImageError;
use crate::encode::palette::{Indexed, exact};

/// Pictures with no more different colours, counted with six bits a sample, are drawn rather than photographed: k-means finds their colours better.
const FEW: u32 = 1500;
/// How much of an error is handed on; less than all keeps noise down.
const DIFFUSION: f32 = 0.875;

/// A frame as GIF stores it.
pub(super) struct Quantised {
    /// Red, green, blue of each colour.
    pub(super) palette: Vec<u8>,
    pub(super) indices: Vec<u8>,
    pub(super) transparent: Option<u8>,
}

/// All colours if they fit; else the best ones, dithered. `None` is a transparent pixel.
pub(super) fn quantise(pixels: &[Option<[u8; 3]>], width: usize, fast: bool) -> Result<Quantised, ImageError> {
    let has_transparent = pixels.iter().any(Option::is_none);
    let key = |pixel: &Option<[u8; 3]>| pixel.map_or([0; 4], |[red, green, blue]| [red, green, blue, u8::MAX]);
    if let Some(Indexed { colours, indices }) = exact(pixels.iter().map(key), 256) {
        let transparent = colours.iter().position(|colour| colour[3] == 0).map(|index| index as u8);
        let palette = colours.iter().flat_map(|colour| colour[..3].to_vec()).collect();
        return Ok(Quantised { palette, indices, transparent });
    }
    let opaque: Vec<Srgb<u8>> =
        pixels.iter().flatten().map(|[red, green, blue]| Srgb::new(*red, *green, *blue)).collect();
    let failed = |_| ImageError::Unsupported("a frame of that many pixels".to_owned());
    let size = PaletteSize::try_from(256 - u16::from(has_transparent))
        .map_err(|_| ImageError::Unsupported("a palette".to_owned()))?;
    let method = if !fast && different(&opaque) <= FEW { QuantizeMethod::kmeans() } else { QuantizeMethod::Wu };
    let palette = Pipeline::new()
        .palette_size(size)
        .quantize_method(method)
        .input_slice(&opaque)
        .map_err(failed)?
        .output_srgb8_palette();
    let colours = srgb8_to_oklab(&palette);
    let count = palette.len();
    let transparent = has_transparent.then_some(count as u8);
    let bytes = palette
        .iter()
        .flat_map(|colour| [colour.red, colour.green, colour.blue])
        .chain(has_transparent.then_some([0; 3]).into_iter().flatten());
    let palette_bytes = bytes.collect();
    let map = NearestNeighborColorMap::new(
        quantette::PaletteBuf::try_from(colours).map_err(|_| ImageError::Unsupported("a palette".to_owned()))?,
    );
    let indices = dithered(pixels, &srgb8_to_oklab(&opaque), width, &map, transparent.unwrap_or_default());
    Ok(Quantised { palette: palette_bytes, indices, transparent })
}

fn different(pixels: &[Srgb<u8>]) -> u32 {
    let mut seen = vec![0u64; 1 << 12];
    for pixel in pixels {
        let key = usize::from(pixel.red >> 2) << 12 | usize::from(pixel.green >> 2) << 6 | usize::from(pixel.blue >> 2);
        seen[key / 64] |= 1 << (key % 64);
    }
    seen.iter().map(|bits| bits.count_ones()).sum()
}

/// Floyd–Steinberg in rows of alternating direction. Errors end at transparent pixels: what lies behind them has its own place in the picture.
fn dithered(
    pixels: &[Option<[u8; 3]>],
    opaque: &[Oklab],
    width: usize,
    map: &NearestNeighborColorMap<Oklab, f32, 3>,
    transparent: u8,
) -> Vec<u8> {
    let mut indices = vec![transparent; pixels.len()];
    // One pixel more on each side.
    let (mut this, mut below) = (vec![[0f32; 3]; width + 2], vec![[0f32; 3]; width + 2]);
    let mut rest = opaque;
    for (nth, (row, indices)) in pixels.chunks_exact(width).zip(indices.chunks_exact_mut(width)).enumerate() {
        let (colours, others) = rest.split_at(row.iter().flatten().count());
        rest = others;
        let backwards = nth % 2 == 1;
        let mut left = 0..colours.len();
        for step in 0..width {
            let x = if backwards { width - 1 - step } else { step };
            if row[x].is_none() {
                continue;
            }
            let Some(place) = (if backwards { left.next_back() } else { left.next() }) else { break };
            let wanted = colours[place];
            let [l, a, b] = this[x + 1];
            let wanted = Oklab::new(wanted.l + l, wanted.a + a, wanted.b + b);
            let index = map.palette_index(&wanted);
            indices[x] = index;
            let got = map.palette()[index];
            let error = [wanted.l - got.l, wanted.a - got.a, wanted.b - got.b].map(|error| error * DIFFUSION);
            let (ahead, behind) = if backwards { (x, x + 2) } else { (x + 2, x) };
            add(&mut this[ahead], error, 7.0 / 16.0);
            add(&mut below[behind], error, 3.0 / 16.0);
            add(&mut below[x + 1], error, 5.0 / 16.0);
            add(&mut below[ahead], error, 1.0 / 16.0);
        }
        std::mem::swap(&mut this, &mut below);
        below.fill([0.0; 3]);
    }
    indices
}

fn add(sum: &mut [f32; 3], error: [f32; 3], share: f32) {
    sum.iter_mut().zip(error).for_each(|(sum, error)| *sum += error * share);
}
