use std::io::Read;

use crate::{Language, MinifyError, Options, Order, css, js};

const MANGLED: Options = Options {
    keep_fn_name: false,
    keep_class_name: false,
    mangle: true,
    merge_vars: true,
    remove_console: false,
    targets: None,
};

#[test]
fn a_style_sheet_becomes_short_and_at_level_2_its_rules_are_joined() {
    let sheet = "/* note */\na { color: #ff0000; }\n\nb {\n  color: red;\n}\n";
    assert_eq!(css(sheet, 1).as_deref(), Ok("a{color:red}b{color:red}"));
    assert_eq!(css(sheet, 2).as_deref(), Ok("a,b{color:red}"));
    assert_eq!(css("", 1).as_deref(), Ok(""));
}

#[test]
fn errors_tell_where_they_are() {
    let place = |error: MinifyError| match error {
        MinifyError::Syntax { line, column, .. } => (line, column),
        other => panic!("{other}"),
    };
    assert_eq!(place(css("a { color: red }\nb { color; }", 1).expect_err("no value")), (2, 10));
    assert_eq!(place(js("let ä = 1;\nlet ü = ;", &MANGLED).expect_err("no value")), (2, 9));
    let order = Order { language: Language::Css { level: 1 }, gzip: false };
    assert_eq!(order.carry_out(b"\x89PNG\xff"), Err(MinifyError::NotText));
}

#[test]
fn a_script_keeps_what_others_can_see_and_each_switch_has_its_effect() {
    let script = "/*! licence */\nvar first = 1; var second = 2;\n// note\nfunction outer(longName) { console.log(longName); \
                  return function inner(other) { return longName + other; }; }\n";
    let small = js(script, &MANGLED).expect("it is right");
    assert!(small.contains("licence") && !small.contains("note"), "{small}");
    assert!(small.contains("var first=1,second=2"), "{small}");
    assert!(small.contains("function outer") && !small.contains("longName") && !small.contains("inner"), "{small}");
    let with = |change: fn(&mut Options)| {
        let mut options = MANGLED;
        change(&mut options);
        js(script, &options).expect("it is right")
    };
    assert!(with(|options| options.mangle = false).contains("longName"));
    assert!(with(|options| options.keep_fn_name = true).contains("inner"));
    assert!(with(|options| options.merge_vars = false).contains("var second=2"));
    assert!(small.contains("console.log") && !with(|options| options.remove_console = true).contains("console"));
    let class = "export function make() { return class Visible { own() { return new Visible } } }";
    assert!(!js(class, &MANGLED).expect("it is right").contains("Visible"));
    let kept = Options { keep_class_name: true, ..MANGLED };
    assert!(js(class, &kept).expect("it is right").contains("Visible"));
}

#[test]
fn targets_hold_back_what_they_do_not_know() {
    let script = "export function f(a) { return a !== null && a !== undefined ? a : g() }";
    let for_targets = |targets: Option<&str>| js(script, &Options { targets: targets.map(str::to_owned), ..MANGLED });
    assert!(for_targets(None).expect("it is right").contains("??"));
    assert!(!for_targets(Some("chrome 70")).expect("it is right").contains("??"));
    assert_eq!(for_targets(Some("no such browser 1")), Err(MinifyError::Parameter("targets")));
}

#[test]
fn a_result_can_be_compressed() {
    let sheet = "a { color: red }".repeat(50);
    let language = Language::Css { level: 1 };
    let plain = Order { language: language.clone(), gzip: false }.carry_out(sheet.as_bytes()).expect("it is right");
    let small = Order { language, gzip: true }.carry_out(sheet.as_bytes()).expect("it is right");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(small.bytes.as_slice()).read_to_end(&mut unpacked).expect("it is gzip");
    assert_eq!(unpacked, plain.bytes);
    assert!(small.bytes.len() < plain.bytes.len() / 4);
    assert_eq!(plain.media_type, "text/css");
}
