//! What an SVG would cost, before the library takes it in: nesting overflows its stack, references multiply elements.

use std::collections::HashMap;

use resvg::usvg::roxmltree::{Document, Node};

use crate::ImageError;

/// Most elements, those included that come from references.
pub(super) const MAX_ELEMENTS: u32 = 500_000;
/// Deepest nesting, references included.
const MAX_DEPTH: u32 = 200;

fn too_deep() -> ImageError {
    ImageError::TooLarge("an SVG nested too deeply".to_owned())
}

fn too_many() -> ImageError {
    ImageError::TooLarge("an SVG of too many elements".to_owned())
}

/// Refuses text whose tags are nested too deeply to be parsed. Tags inside comments count too, at most once too often.
pub(super) fn nesting(text: &str) -> Result<(), ImageError> {
    let mut depth = 0u32;
    let mut rest = text.as_bytes();
    while let Some(start) = rest.iter().position(|byte| *byte == b'<') {
        rest = &rest[start + 1..];
        match rest.first() {
            Some(b'/') => depth = depth.saturating_sub(1),
            Some(b'!' | b'?') | None => {}
            Some(_) => {
                let end = end_of_tag(rest);
                let closed = end.checked_sub(1).and_then(|last| rest.get(last)) == Some(&b'/');
                depth += u32::from(!closed);
                rest = &rest[end..];
            }
        }
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
    }
    Ok(())
}

/// Where the `>` of a tag is; values in quotes may hold others.
fn end_of_tag(tag: &[u8]) -> usize {
    let mut quote = None;
    tag.iter()
        .position(|byte| match (quote, byte) {
            (None, b'>') => true,
            (None, b'"' | b'\'') => {
                quote = Some(*byte);
                false
            }
            (Some(open), close) if open == *close => {
                quote = None;
                false
            }
            _ => false,
        })
        .unwrap_or(tag.len())
}

/// Refuses documents that become too deep or too large when each reference is replaced by what it names.
pub(super) fn cost(document: &Document<'_>) -> Result<(), ImageError> {
    let names = document.descendants().filter_map(|node| Some((node.attribute("id")?, node))).collect();
    Survey { names, known: HashMap::new() }.of(document.root_element(), 0).map(|_| ())
}

/// Elements and depth of what an element becomes.
#[derive(Clone, Copy)]
struct Cost {
    elements: u32,
    depth: u32,
}

struct Survey<'a, 'input> {
    names: HashMap<&'a str, Node<'a, 'input>>,
    known: HashMap<Node<'a, 'input>, Cost>,
}

impl<'a, 'input> Survey<'a, 'input> {
    fn of(&mut self, node: Node<'a, 'input>, above: u32) -> Result<Cost, ImageError> {
        if above > MAX_DEPTH {
            return Err(too_deep());
        }
        if let Some(known) = self.known.get(&node) {
            return if above + known.depth > MAX_DEPTH { Err(too_deep()) } else { Ok(*known) };
        }
        let mut total = Cost { elements: 1, depth: 0 };
        let named: Vec<Node<'a, 'input>> = node
            .attributes()
            .flat_map(|attribute| references(attribute.name(), attribute.value()))
            .filter_map(|name| self.names.get(name).copied())
            .collect();
        for part in node.children().filter(Node::is_element).chain(named) {
            let cost = self.of(part, above + 1)?;
            total.elements = total.elements.saturating_add(cost.elements);
            total.depth = total.depth.max(cost.depth + 1);
            if total.elements > MAX_ELEMENTS {
                return Err(too_many());
            }
        }
        self.known.insert(node, total);
        Ok(total)
    }
}

/// Names of the elements that a value of an attribute refers to.
fn references<'a>(attribute: &str, value: &'a str) -> impl Iterator<Item = &'a str> {
    let whole = if attribute == "href" { value.strip_prefix('#') } else { None };
    let parts = value.split("url(").skip(1).filter_map(|part| {
        let (name, _) = part.split_once(')')?;
        name.trim_matches(|letter: char| letter.is_whitespace() || matches!(letter, '\'' | '"')).strip_prefix('#')
    });
    whole.into_iter().chain(parts)
}
