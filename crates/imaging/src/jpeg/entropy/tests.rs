use super::{PLACES, bits::Bits, table::Table};

#[test]
fn places_follow_the_diagonals() {
    assert_eq!(PLACES[..12], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25]);
    assert_eq!(PLACES[57..66], [60, 61, 54, 47, 55, 62, 63, 63, 63]);
    let mut all = PLACES[..64].to_vec();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..64));
}

#[test]
fn left_out_zeroes_and_markers_are_no_data() {
    let bytes = [0xff, 0, 0x12, 0xff, 0xff, 0, 0x34, 0xff, 0xd1, 0x56];
    let mut bits = Bits::new(&bytes, 0);
    bits.refill();
    assert_eq!(bits.peek() >> 24, 0xff_12_ff_34_00);
    bits.pass(32);
    assert!(!bits.is_beyond_end());
    bits.pass(1);
    assert!(bits.is_beyond_end());
    assert!(bits.pass_marker(0xd2).is_none() && bits.pass_marker(0xd1).is_none());
    let mut bits = Bits::new(&bytes, 0);
    assert_eq!(bits.pass_marker(0xd1), Some(()));
    bits.refill();
    assert_eq!(bits.peek() >> 48, 0x56_00);
}

#[test]
fn codes_of_all_lengths_are_found() {
    // One code of each length, of ones but for the last bit; the symbol tells the length.
    let table = Table::new(&[1; 16], &std::array::from_fn::<u8, 16, _>(|index| index as u8)).expect("a table");
    for length in 1..=16_u32 {
        let code = !0_u64 << (64 - length) << 1;
        let code = if length == 1 { 0 } else { code };
        let found = table.short(code).or_else(|| table.long(code)).expect("a code");
        assert_eq!(found.length, length + (length - 1), "code and number");
    }
    assert!(table.short(!0).or_else(|| table.long(!0)).is_none(), "all ones is no code");
    let mut too_many = [0; 16];
    too_many[0] = 3;
    assert!(Table::new(&too_many, &[1, 2, 3]).is_none());
    assert!(Table::new(&[1; 16], &[0]).is_none(), "symbols are missing");
}
