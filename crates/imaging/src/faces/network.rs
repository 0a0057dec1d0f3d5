//! The face detector YuNet (Wu, Peng and Yu: YuNet, a tiny millisecond-level face detector, 2023): where in a picture it sees faces.

use std::sync::LazyLock;

use super::layers::{Map, Mixing, Unit, Weights, rectify};

/// Both sides of a picture are multiples of this.
pub(super) const GRANULE: u32 = 32;

/// Pixels between the cells that faces are looked for in: small, middle and large faces.
const STRIDES: [usize; 3] = [8, 16, 32];

/// A face that a cell sees, in pixels of the picture that was shown to the network.
#[derive(Clone, Copy)]
pub(super) struct Sight {
    /// 0 to 1.
    pub(super) score: f32,
    /// Left, top, right, bottom.
    pub(super) edges: [f32; 4],
    /// The eye on the left side of the picture, if the face stands upright, and the other.
    pub(super) eyes: [[f32; 2]; 2],
}

impl Sight {
    /// Into the pixels of a picture of other sides.
    pub(super) fn enlarge(&mut self, [wider, higher]: [f32; 2]) {
        let [left, top, right, bottom] = self.edges;
        self.edges = [left * wider, top * higher, right * wider, bottom * higher];
        self.eyes = self.eyes.map(|[x, y]| [x * wider, y * higher]);
    }
}

/// The network with its weights.
static NETWORK: LazyLock<Network> = LazyLock::new(|| Network::read(include_bytes!("../../assets/faces.bin")));

struct Network {
    entrance: Mixing,
    first: Unit,
    /// Levels of the backbone, two units each.
    levels: [[Unit; 2]; 5],
    /// For each stride.
    necks: [Unit; 3],
    /// For each stride: class, object, box (4) and landmarks (10).
    heads: [Unit; 3],
}

impl Network {
    fn read(bytes: &[u8]) -> Self {
        let mut weights = Weights::new(bytes);
        let entrance = Mixing::read(&mut weights, 27, 16);
        let mut unit = |inputs, outputs| Unit::read(&mut weights, inputs, outputs);
        let first = unit(16, 16);
        let levels = [(16, 32), (32, 64), (64, 64), (64, 64), (64, 64)]
            .map(|(inputs, outputs)| [unit(inputs, inputs), unit(inputs, outputs)]);
        let necks = STRIDES.map(|_| unit(64, 64));
        let heads = STRIDES.map(|_| unit(64, 16));
        debug_assert!(weights.is_used_up());
        Self { entrance, first, levels, necks, heads }
    }

    fn level(&self, index: usize, map: &Map) -> Map {
        let [first, second] = &self.levels[index];
        second.apply(&first.apply(map, true), true)
    }

    /// What the heads say, for each stride.
    fn run(&self, picture: &[u8], width: usize, height: usize) -> [Map; 3] {
        let map = self.first.apply(&enter(&self.entrance, picture, width, height), true).pooled();
        let map = self.level(1, &self.level(0, &map));
        let mut small = self.level(2, &map.pooled());
        let mut middle = self.level(3, &small.pooled());
        let large = self.level(4, &middle.pooled());

        let large = self.necks[2].apply(&large, true);
        middle.add_enlarged(&large);
        let middle = self.necks[1].apply(&middle, true);
        small.add_enlarged(&middle);
        let small = self.necks[0].apply(&small, true);
        let [head_small, head_middle, head_large] = &self.heads;
        [head_small.apply(&small, false), head_middle.apply(&middle, false), head_large.apply(&large, false)]
    }
}

/// The first layer: sums over 3 × 3 pixels, for every other pixel of every other row.
fn enter(layer: &Mixing, picture: &[u8], width: usize, height: usize) -> Map {
    const WINDOW: usize = 9;
    let mut map = Map::new(width / 2, height / 2, 16);
    let mut pixels = vec![0.0; width / 2 * 3 * WINDOW];
    for (y, target) in map.values.chunks_exact_mut(width / 2 * 16).enumerate() {
        for line in 0..3 {
            // Above the picture there is a row of zeros, which `pixels` holds before anything is written to it.
            let Some(row) = (2 * y + line).checked_sub(1) else { continue };
            let row = &picture[row * width * 3..][..width * 3];
            for (x, pixels) in pixels.chunks_exact_mut(3 * WINDOW).enumerate() {
                let pixels = &mut pixels[line * WINDOW..][..WINDOW];
                // Likewise left of the picture.
                let outside = if x == 0 { 3 } else { 0 };
                let window = &row[(6 * x + outside) - 3..6 * x + 6];
                pixels[outside..].iter_mut().zip(window).for_each(|(to, sample)| *to = f32::from(*sample));
            }
        }
        layer.apply(&pixels, target);
    }
    rectify(&mut map.values);
    map
}

/// What the network sees in a picture of red, green and blue samples; sides are multiples of [`GRANULE`]. Many sights can be of one face.
pub(super) fn look(picture: &[u8], width: u32, height: u32, least_score: f32) -> Vec<Sight> {
    let maps = NETWORK.run(picture, width as usize, height as usize);
    let mut sights = Vec::new();
    for (map, stride) in maps.iter().zip(STRIDES) {
        for y in 0..map.height {
            for x in 0..map.width {
                let sight = read_cell(map.cell(x, y), [x as f32, y as f32], stride as f32);
                sights.extend(sight.filter(|sight| sight.score >= least_score));
            }
        }
    }
    sights
}

/// What the values of a cell mean.
fn read_cell(values: &[f32], [x, y]: [f32; 2], stride: f32) -> Option<Sight> {
    let &[class, object, middle_x, middle_y, width, height, left_x, left_y, right_x, right_y, ..] = values else {
        return None;
    };
    let score = (probability(class) * probability(object)).sqrt();
    let at = |dx: f32, dy: f32| [(x + dx) * stride, (y + dy) * stride];
    let [middle_x, middle_y] = at(middle_x, middle_y);
    let (width, height) = (width.exp() * stride, height.exp() * stride);
    let edges = [middle_x - width / 2.0, middle_y - height / 2.0, middle_x + width / 2.0, middle_y + height / 2.0];
    Some(Sight { score, edges, eyes: [at(left_x, left_y), at(right_x, right_y)] })
}

fn probability(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}
