use proptest::prelude::*;

use super::*;

const SLOT: u64 = 16;

/// A staging file in memory beside its layout, and what the upload should contain.
#[derive(Default)]
struct Model {
    layout: Layout,
    file: BTreeMap<u64, u8>,
    parts: BTreeMap<u32, BTreeMap<u64, u8>>,
}

impl Model {
    fn new() -> Self {
        let mut model = Self::default();
        model.layout.set_slot(SLOT);
        model
    }

    fn write(&mut self, place: u64, bytes: &[u8]) {
        for (place, byte) in (place..).zip(bytes) {
            self.file.insert(place, *byte);
        }
    }

    fn punch(&mut self, ranges: Vec<Range<u64>>) {
        for range in ranges {
            self.file.retain(|place, _| !range.contains(place));
        }
    }

    fn whole(&mut self, number: u32, bytes: &[u8]) {
        let reserved = self.layout.reserve(number, 0, bytes.len() as u64);
        self.write(reserved.place, bytes);
        let freed = self.layout.put_whole(number, &reserved, String::new());
        self.punch(freed);
        self.parts.insert(number, (0..).zip(bytes.iter().copied()).collect());
    }

    fn piece(&mut self, number: u32, start: u64, bytes: &[u8]) {
        let reserved = self.layout.reserve(number, start, bytes.len() as u64);
        self.write(reserved.place, bytes);
        let freed = self.layout.put_piece(number, start, bytes.len() as u64, reserved.place);
        self.punch(freed);
        let part = self.parts.entry(number).or_default();
        part.extend((start..).zip(bytes.iter().copied()));
    }

    fn abandoned(&mut self, number: u32, start: u64, bytes: &[u8]) {
        let reserved = self.layout.reserve(number, start, bytes.len() as u64);
        self.write(reserved.place, bytes);
        let freed = self.layout.release(&reserved, 0);
        self.punch(vec![freed]);
    }

    fn read(&self, number: u32) -> Vec<u8> {
        let places = self.layout.pieces(Some(number)).into_iter().flatten();
        places.map(|place| *self.file.get(&place).expect("the byte was not punched out")).collect()
    }

    fn check(&self) {
        for (number, bytes) in &self.parts {
            let expected: Vec<u8> = bytes.values().copied().collect();
            assert_eq!(self.read(*number), expected, "part {number}");
            let whole = bytes.keys().copied().eq(0..bytes.len() as u64);
            assert_eq!(self.layout.part(*number).is_some_and(Part::is_whole), whole, "part {number}");
        }
        if self.layout.is_in_place() {
            let expected: Vec<u8> = self.parts.values().flat_map(BTreeMap::values).copied().collect();
            let found: Vec<u8> = (0..expected.len() as u64).map(|place| self.file[&place]).collect();
            assert_eq!(found, expected);
        }
        // The catalogue brings the same layout back.
        let restored = Layout::restore(self.layout.slot(), self.layout.parts().map(|(n, part)| (n, part.clone())));
        assert_eq!(restored.used, self.layout.used);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Whole(u32, Vec<u8>),
    Piece(u32, u64, Vec<u8>),
    Abandoned(u32, u64, Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    let step = prop_oneof![
        (1..5_u32, bytes(20)).prop_map(|(number, bytes)| Step::Whole(number, bytes)),
        (1..5_u32, 0..16_u64, bytes(20)).prop_map(|(number, start, bytes)| Step::Piece(number, start, bytes)),
        (1..5_u32, 0..16_u64, bytes(20)).prop_map(|(number, start, bytes)| Step::Abandoned(number, start, bytes)),
    ];
    prop::collection::vec(step, 0..24)
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order_is_read_back(steps in steps()) {
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Whole(number, bytes) => model.whole(number, &bytes),
                Step::Piece(_, _, bytes) if bytes.is_empty() => {}
                Step::Piece(number, start, bytes) => model.piece(number, start, &bytes),
                Step::Abandoned(number, start, bytes) => model.abandoned(number, start, &bytes),
            }
            model.check();
        }
    }

    #[test]
    fn regular_parts_in_any_order_lie_in_place(order in Just(vec![1, 2, 3, 4, 5]).prop_shuffle(), last in 1..=16_usize) {
        let mut model = Model::new();
        for number in order {
            let length = if number == 5 { last } else { SLOT as usize };
            model.whole(number, &vec![number as u8; length]);
        }
        prop_assert!(model.layout.is_in_place());
        prop_assert_eq!(model.layout.total(), 64 + last as u64);
        prop_assert_eq!(model.layout.prefix(), 64 + last as u64);
    }
}

#[test]
fn a_part_that_comes_again_leaves_the_old_one_alone_until_it_is_there() {
    let mut model = Model::new();
    model.whole(1, &[1; 16]);
    let again = model.layout.reserve(1, 0, 16);
    model.write(again.place, &[2; 16]);
    assert_eq!(model.read(1), [1; 16]);
    assert!(model.layout.is_in_place());
    let freed = model.layout.put_whole(1, &again, String::new());
    model.punch(freed);
    assert_eq!(model.read(1), [2; 16]);
    assert!(!model.layout.is_in_place());
}

#[test]
fn two_writers_of_one_part_never_share_a_place() {
    let mut layout = Layout::default();
    layout.set_slot(SLOT);
    let first = layout.reserve(3, 0, 16);
    let second = layout.reserve(3, 0, 16);
    assert_eq!(first.place, 32);
    assert!(second.place >= OVERFLOW);
}

#[test]
fn appended_bytes_go_on_behind_what_is_there() {
    let mut model = Model::new();
    assert_eq!(model.layout.position(), (1, 0, 0));
    model.piece(1, 0, &[1; 10]);
    assert_eq!(model.layout.position(), (1, 10, 10));
    model.piece(1, 10, &[1; 6]);
    assert_eq!(model.layout.position(), (2, 0, 16));
    model.whole(2, &[2; 5]);
    model.whole(3, &[3; 4]);
    assert_eq!(model.layout.position(), (3, 4, 25), "a short part that another one follows is complete");
    model.piece(5, 3, &[5; 2]);
    assert_eq!(model.layout.incomplete(), Some(5));
    assert_eq!(model.layout.prefix(), 25);
}

#[test]
fn pieces_that_meet_become_one() {
    let mut model = Model::new();
    model.piece(1, 8, &[1; 8]);
    model.piece(1, 0, &[2; 8]);
    assert_eq!(model.layout.pieces(Some(1)), std::iter::once(0..16).collect::<Vec<_>>());
    assert_eq!(model.layout.used.len(), 1);
}

#[test]
fn huge_numbers_do_not_overflow() {
    let mut layout = Layout::default();
    layout.set_slot(u64::MAX);
    let reserved = layout.reserve(10_000, u64::MAX - 1, 1);
    assert!(reserved.place >= OVERFLOW && reserved.place < OVERFLOW + 4096);
}

#[test]
fn what_was_read_is_old_once_the_part_has_changed_even_if_it_lies_where_it_did() {
    let mut model = Model::new();
    model.piece(1, 0, &[1; 8]);
    let before = model.layout.part(1).cloned();
    model.layout.begin_reading(1);
    model.piece(1, 0, &[2; 8]);
    model.piece(1, 0, &[3; 8]);
    assert_eq!(model.layout.part(1), before.as_ref(), "the places alone tell nothing");
    assert!(!model.layout.end_reading(1));
    model.layout.begin_reading(1);
    model.piece(2, 0, &[4; 8]);
    assert!(model.layout.end_reading(1), "another part has changed");
}

#[test]
fn the_number_of_pieces_is_bounded() {
    let mut layout = Layout::default();
    layout.set_slot(1 << 20);
    let crumb = |layout: &mut Layout, number: u32, start: u64| {
        let reserved = layout.reserve(number, start, 1);
        layout.put_piece(number, start, 1, reserved.place);
    };
    for index in 0..MOST_PIECES as u64 {
        assert!(layout.has_room_for_a_piece(1));
        crumb(&mut layout, 1, 2 * index);
    }
    assert!(!layout.has_room_for_a_piece(1) && layout.has_room_for_a_piece(2));
    crumb(&mut layout, 1, 1);
    assert!(layout.has_room_for_a_piece(1), "pieces that meet are one");
}

#[test]
fn an_appended_part_that_broke_off_is_gone_on_with_although_another_follows() {
    let mut model = Model::new();
    model.piece(1, 0, &[1; 10]);
    model.whole(2, &[2; 5]);
    assert_eq!(model.layout.position(), (1, 10, 10));
    model.piece(1, 10, &[1; 6]);
    assert_eq!(model.layout.prefix(), 21);
}
