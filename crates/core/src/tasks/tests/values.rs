//! Values as the engine sees them.

use super::*;

fn value(tasks: &str, parameter: &str) -> Option<Value> {
    let chain = chain_of(&format!("/{tasks}/{{H}}")).expect(tasks);
    chain.tasks().next().expect("a task").value(parameter)
}

#[test]
fn values_have_their_types_and_defaults() {
    let at = |vertical, horizontal| Some(Value::Place(Place::At { vertical, horizontal }));
    let colour = |rgb, opacity| Some(Value::Colour(Colour { rgb, opacity }));
    let area = Area { x: 1, y: 2, width: 3, height: 4 };
    let pages = |first, last| PageRange { first, last };
    for (tasks, parameter, expected) in [
        ("resize=w:10.4", "width", Some(Value::Integer(10))),
        ("resize=w:10", "fit", Some(Value::Word("clip"))),
        ("resize=w:10", "filter", None),
        ("resize=w:10", "align", at(End::Middle, End::Middle)),
        ("resize=w:10,a:left", "align", at(End::Middle, End::Start)),
        ("resize=w:10,a:[bottom,right]", "align", at(End::Far, End::Far)),
        ("resize=w:10,a:faces", "align", Some(Value::Place(Place::Faces))),
        ("rotate=deg:90", "background", colour([255; 3], 255)),
        ("border=c:DodgerBlue", "color", colour([0x1e, 0x90, 0xff], 255)),
        ("border=c:lightslategrey", "color", colour([0x77, 0x88, 0x99], 255)),
        ("border=c:gray0", "color", colour([0; 3], 255)),
        ("border=c:12345678", "color", colour([0x12, 0x34, 0x56], 0x78)),
        ("animate", "background", colour([0; 3], 0)),
        ("crop=dim:[1,2,3,4]", "dim", Some(Value::Area(area))),
        ("partial_blur=objects:[[1,2,3,4]]", "objects", Some(Value::List(vec![Value::Area(area)]))),
        ("shadow", "vector", Some(Value::List(vec![Value::Number(4.0); 2]))),
        ("rounded_corners", "blur", Some(Value::Number(0.3))),
        ("blur=a:99", "amount", Some(Value::Number(20.0))),
        ("output=quality:input", "quality", Some(Value::Word("input"))),
        ("pdfconvert=pages:[2,4-]", "pages", Some(Value::Pages(vec![pages(Some(2), Some(2)), pages(Some(4), None)]))),
        ("upscale=u:false", "upscale", Some(Value::Boolean(false))),
        ("watermark=f:\"https://e.com/a,b\"", "file", Some(Value::Text("https://e.com/a,b".to_owned()))),
        ("text=t:\"two%0Alines, 1\"", "text", Some(Value::Text("two\nlines, 1".to_owned()))),
        ("text=t:a", "align", at(End::Far, End::Middle)),
        ("watermark=f:x", "nothing", None),
    ] {
        assert_eq!(value(tasks, parameter), expected, "{tasks} {parameter}");
    }
}

#[test]
fn every_colour_name_of_the_list_is_a_colour() {
    for name in ["aliceblue", "yellowgreen", "lightgoldenrodyellow", "rebeccapurple", "darkgrey", "grey100", "fractal"]
    {
        assert!(Colour::parse(name).is_some(), "{name}");
        assert_eq!(Colour::parse(name), Colour::parse(&name.to_uppercase()), "{name}");
    }
    for name in
        ["", "#", "12", "1234", "f0000", "123456789", "ééé", "ffffff f0f8ff", "gray", "gray-1", "gray+1", "gray101"]
    {
        assert_eq!(Colour::parse(name).is_some(), name == "gray" || name == "gray+1", "{name}");
    }
}
