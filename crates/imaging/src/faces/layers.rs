//! The layers that the face detector is made of. Each output is added up in one fixed order, whatever the width of a vector is,
//! so that results are the same on all machines.

/// Outputs that are added up at once; the file of weights is arranged in such blocks.
const LANES: usize = 8;
/// Pixels that share the weights that have just been read.
const PIXELS: usize = 4;
/// Pixels of a depthwise layer: 3 × 3.
const TAPS: usize = 9;

/// Values of a grid of cells, row by row, those of a cell side by side.
pub(super) struct Map {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) channels: usize,
    pub(super) values: Vec<f32>,
}

impl Map {
    pub(super) fn new(width: usize, height: usize, channels: usize) -> Self {
        Self { width, height, channels, values: vec![0.0; width * height * channels] }
    }

    /// The values of a cell.
    pub(super) fn cell(&self, x: usize, y: usize) -> &[f32] {
        &self.values[(y * self.width + x) * self.channels..][..self.channels]
    }

    fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.width * self.channels)
    }

    /// The largest values of 2 × 2 cells; both sides are even.
    pub(super) fn pooled(&self) -> Self {
        let mut pooled = Self::new(self.width / 2, self.height / 2, self.channels);
        let stride = self.width * self.channels;
        let targets = pooled.values.chunks_exact_mut(stride / 2);
        for (rows, target) in self.values.chunks_exact(2 * stride).zip(targets) {
            let (upper, lower) = rows.split_at(stride);
            let pairs = upper.chunks_exact(2 * self.channels).zip(lower.chunks_exact(2 * self.channels));
            for ((upper, lower), cell) in pairs.zip(target.chunks_exact_mut(self.channels)) {
                let (first, second) = upper.split_at(self.channels);
                let (third, fourth) = lower.split_at(self.channels);
                for ((((to, first), second), third), fourth) in
                    cell.iter_mut().zip(first).zip(second).zip(third).zip(fourth)
                {
                    *to = first.max(*second).max(third.max(*fourth));
                }
            }
        }
        pooled
    }

    /// Adds a map of half the sides, each of whose cells stands for 2 × 2.
    pub(super) fn add_enlarged(&mut self, smaller: &Self) {
        let channels = self.channels;
        for (y, row) in self.values.chunks_exact_mut(self.width * channels).enumerate() {
            for (x, cell) in row.chunks_exact_mut(channels).enumerate() {
                cell.iter_mut().zip(smaller.cell(x / 2, y / 2)).for_each(|(value, more)| *value += more);
            }
        }
    }
}

/// The numbers of a file of weights, in their order.
pub(super) struct Weights(std::vec::IntoIter<f32>);

impl Weights {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let (numbers, _) = bytes.as_chunks();
        Self(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect::<Vec<_>>().into_iter())
    }

    fn take<const N: usize>(&mut self, count: usize) -> Vec<[f32; N]> {
        let numbers: Vec<f32> = self.0.by_ref().take(count * N).collect();
        numbers.as_chunks().0.to_vec()
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.0.as_slice().is_empty()
    }
}

/// Every output of a cell is a sum of all its inputs.
pub(super) struct Mixing {
    inputs: usize,
    outputs: usize,
    /// For each block of outputs those of each input.
    weights: Vec<[f32; LANES]>,
    biases: Vec<[f32; LANES]>,
}

impl Mixing {
    /// `outputs` is a multiple of [`LANES`].
    pub(super) fn read(from: &mut Weights, inputs: usize, outputs: usize) -> Self {
        let blocks = outputs / LANES;
        Self { inputs, outputs, weights: from.take(blocks * inputs), biases: from.take(blocks) }
    }

    /// Inputs of some cells to their outputs.
    pub(super) fn apply(&self, inputs: &[f32], outputs: &mut [f32]) {
        let mut groups = inputs.chunks_exact(PIXELS * self.inputs);
        let mut targets = outputs.chunks_exact_mut(PIXELS * self.outputs);
        for (group, target) in groups.by_ref().zip(targets.by_ref()) {
            self.apply_group::<PIXELS>(group, target);
        }
        let singles = groups.remainder().chunks_exact(self.inputs);
        for (single, target) in singles.zip(targets.into_remainder().chunks_exact_mut(self.outputs)) {
            self.apply_group::<1>(single, target);
        }
    }

    fn apply_group<const N: usize>(&self, inputs: &[f32], outputs: &mut [f32]) {
        let cells: [&[f32]; N] = std::array::from_fn(|cell| &inputs[cell * self.inputs..][..self.inputs]);
        for (block, (weights, bias)) in self.weights.chunks_exact(self.inputs).zip(&self.biases).enumerate() {
            let mut sums = [*bias; N];
            for (input, weights) in weights.iter().enumerate() {
                for (sums, cell) in sums.iter_mut().zip(&cells) {
                    let value = cell[input];
                    sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
                }
            }
            for (cell, sums) in sums.iter().enumerate() {
                outputs[cell * self.outputs + block * LANES..][..LANES].copy_from_slice(sums);
            }
        }
    }
}

/// A mixing layer, and then a sum over 3 × 3 cells for each channel by itself.
pub(super) struct Unit {
    mixing: Mixing,
    /// For each tap the weights of all blocks.
    taps: Vec<[f32; LANES]>,
    biases: Vec<[f32; LANES]>,
}

impl Unit {
    pub(super) fn read(from: &mut Weights, inputs: usize, outputs: usize) -> Self {
        let blocks = outputs / LANES;
        Self { mixing: Mixing::read(from, inputs, outputs), taps: from.take(TAPS * blocks), biases: from.take(blocks) }
    }

    /// All cells; `rectified`: what is below 0 becomes 0.
    pub(super) fn apply(&self, map: &Map, rectified: bool) -> Map {
        let outputs = self.mixing.outputs;
        let mut result = Map::new(map.width, map.height, outputs);
        // What the mixing layer makes of three rows, with a cell of zeros at each end; a full map of it would not fit the cache.
        let mut lines = [(); 3].map(|()| vec![0.0; (map.width + 2) * outputs]);
        let mix = |row: &[f32], line: &mut [f32]| self.mixing.apply(row, &mut line[outputs..][..map.width * outputs]);
        let mut rows = map.rows();
        if let Some(row) = rows.next() {
            mix(row, &mut lines[2]);
        }
        for target in result.values.chunks_exact_mut(map.width * outputs) {
            lines.rotate_left(1);
            match rows.next() {
                Some(row) => mix(row, &mut lines[2]),
                None => lines[2].fill(0.0),
            }
            self.gather(&lines, target);
        }
        if rectified {
            rectify(&mut result.values);
        }
        result
    }

    fn gather(&self, lines: &[Vec<f32>; 3], target: &mut [f32]) {
        let blocks = self.biases.len();
        let lines = lines.each_ref().map(|line| line.as_chunks::<LANES>().0);
        for (x, cell) in target.as_chunks_mut::<LANES>().0.chunks_exact_mut(blocks).enumerate() {
            let windows = lines.map(|line| &line[x * blocks..][..3 * blocks]);
            for (block, sums) in cell.iter_mut().enumerate() {
                let mut total = self.biases[block];
                for tap in 0..TAPS {
                    let values = &windows[tap / 3][tap % 3 * blocks + block];
                    let weights = &self.taps[tap * blocks + block];
                    total.iter_mut().zip(values).zip(weights).for_each(|((sum, value), weight)| *sum += value * weight);
                }
                *sums = total;
            }
        }
    }
}

/// What is below 0 becomes 0.
pub(super) fn rectify(values: &mut [f32]) {
    values.iter_mut().for_each(|value| *value = value.max(0.0));
}
