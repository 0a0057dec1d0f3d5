use crate::steps::tests::{apply, pixel, plane};

#[test]
fn edges_are_torn_within_the_spread() {
    let torn = apply("torn_edges=s:[3,12]", plane(200, 150, [7, 7, 7]));
    let depth = |mut along: Box<dyn Iterator<Item = (u32, u32)>>| {
        along.position(|(column, row)| pixel(&torn, column, row)[3] == 255).expect("something remains")
    };
    let mut depths: Vec<usize> = Vec::new();
    for row in 15..135 {
        depths.push(depth(Box::new((0..200).map(move |column| (column, row)))));
        depths.push(depth(Box::new((0..200).rev().map(move |column| (column, row)))));
    }
    for column in 15..185 {
        depths.push(depth(Box::new((0..150).map(move |row| (column, row)))));
        depths.push(depth(Box::new((0..150).rev().map(move |row| (column, row)))));
    }
    let (least, most) = (depths.iter().min().expect("many"), depths.iter().max().expect("many"));
    assert!(*least >= 3 && *most <= 13, "{least} to {most}");
    assert!(most - least >= 4, "irregular: {least} to {most}");
}

#[test]
fn other_pictures_are_torn_otherwise_and_the_middle_remains() {
    let opacities = |level: u8| -> Vec<u8> {
        apply("torn_edges", plane(60, 60, [level])).pixels.as_chunks::<4>().0.iter().map(|pixel| pixel[3]).collect()
    };
    assert_eq!(opacities(1), opacities(1));
    assert_ne!(opacities(1), opacities(2));
    let deep = apply("torn_edges=s:[9000,10000],b:white", plane(61, 61, [7, 7, 7]));
    assert_eq!((pixel(&deep, 30, 30), pixel(&deep, 20, 30)), (&[7; 3][..], &[255; 3][..]));
    // The order of the numbers means nothing.
    assert_eq!(apply("torn_edges=s:[9,2]", plane(61, 61, [7])), apply("torn_edges=s:[2,9]", plane(61, 61, [7])));
}
