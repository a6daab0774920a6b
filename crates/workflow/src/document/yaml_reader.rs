//! YAML text to a JSON value: one document, bounded in depth and in what aliases may blow up.

use std::collections::HashMap;

use kernel::limits::JSON_DEPTH_MAX;
use kernel::{Object, Value};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput, Tag};

use super::scalar::{resolve_plain, resolve_tagged};

/// Bytes that anchored values and their copies by aliases may take in all.
const ALIAS_BYTES_MAX: usize = 1024 * 1024;

/// Where and why a text is not a YAML document we accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct YamlError {
    /// Line and column, both from 1.
    pub(super) place: Place,
    /// What is wrong there and how to mend it.
    pub(super) what: String,
}

/// A place in a text; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl From<Marker> for Place {
    fn from(marker: Marker) -> Self {
        Self { line: marker.line(), column: marker.col() + 1 }
    }
}

/// Reads one YAML document.
pub(super) fn read(text: &str) -> Result<Value, YamlError> {
    let mut reader = Reader::new(text)?;
    let (event, marker) = match reader.begin()? {
        Some(first) => first,
        None => return Err(YamlError::new(Place { line: 1, column: 1 }, "the text is empty")),
    };
    let value = reader.value(event, marker, 0)?;
    reader.end()?;
    Ok(value)
}

/// The place of each JSON pointer in a YAML (or JSON) text; of its nearest parent where the text
/// has no such value. Empty when the text does not parse.
pub(super) fn locate(text: &str, pointers: &[String]) -> Vec<Option<Place>> {
    let mut wanted = Wanted::default();
    for (index, pointer) in pointers.iter().enumerate() {
        let keys = pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~"));
        wanted.add(keys, index);
    }
    let mut places = vec![None; pointers.len()];
    if let Ok(mut reader) = Reader::new(text)
        && let Ok(Some((event, marker))) = reader.begin()
    {
        // What was found before an error stays found.
        let _ = reader.find(event, marker.into(), Some(&wanted), &mut places);
    }
    places
}

/// Pointers sought, as a tree of keys.
#[derive(Default)]
struct Wanted {
    here: Vec<usize>,
    below: HashMap<String, Wanted>,
}

impl Wanted {
    fn add(&mut self, mut keys: impl Iterator<Item = String>, index: usize) {
        match keys.next() {
            None => self.here.push(index),
            Some(key) => self.below.entry(key).or_default().add(keys, index),
        }
    }

    fn found(&self, place: Place, places: &mut [Option<Place>]) {
        for index in &self.here {
            places[*index] = Some(place);
        }
        for wanted in self.below.values() {
            wanted.found(place, places);
        }
    }
}

struct Anchored {
    value: Value,
    bytes: usize,
    depth: usize,
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Anchored>,
    alias_bytes: usize,
}

type Step<'a> = (Event<'a>, Marker);

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Result<Self, YamlError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Some(at) = text.find('\0') {
            let before = &text[..at];
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            let what = "there is a NUL character; write it as \"\\0\" in double quotes";
            return Err(YamlError::new(Place { line, column }, what));
        }
        let parser = Parser::new_from_str(text);
        Ok(Self { parser, anchors: HashMap::new(), alias_bytes: 0 })
    }

    /// The first event of the first document.
    fn begin(&mut self) -> Result<Option<Step<'a>>, YamlError> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd, _) => return Ok(None),
                first => return Ok(Some(first)),
            }
        }
    }

    /// Refuses anything after the first document.
    fn end(&mut self) -> Result<(), YamlError> {
        loop {
            match self.next()? {
                (Event::DocumentEnd | Event::Nothing, _) => {}
                (Event::StreamEnd, _) => return Ok(()),
                (_, marker) => {
                    let what = "a second document begins here; write one workflow in one file";
                    return Err(YamlError::new(marker, what));
                }
            }
        }
    }

    fn next(&mut self) -> Result<Step<'a>, YamlError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start)),
            Some(Err(error)) => Err(YamlError::new(*error.marker(), error.info().to_owned())),
            None => Ok((Event::StreamEnd, Marker::new(0, 1, 0))),
        }
    }

    fn value(&mut self, event: Event<'a>, at: Marker, depth: usize) -> Result<Value, YamlError> {
        if depth > JSON_DEPTH_MAX {
            let what = format!("nested deeper than {JSON_DEPTH_MAX} levels");
            return Err(YamlError::new(at, what));
        }
        let (value, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, at, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref())
                    .map_err(|what| YamlError::new(at, what))?;
                (value, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), "seq", at)?;
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, marker) => list.push(self.value(event, marker, depth + 1)?),
                    }
                }
                (Value::Array(list), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), "map", at)?;
                (Value::Object(self.mapping(depth)?), anchor)
            }
            _ => return Err(YamlError::new(at, "a value is missing here")),
        };
        if anchor > 0 {
            let (bytes, levels) = measure(&value);
            self.spend(bytes, at)?;
            self.anchors.insert(anchor, Anchored { value: value.clone(), bytes, depth: levels });
        }
        Ok(value)
    }

    fn mapping(&mut self, depth: usize) -> Result<Object, YamlError> {
        let mut object = Object::new();
        loop {
            let (key, at) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(object),
                (Event::Scalar(text, style, _, _), at) => (key(&text, style, at)?, at),
                (_, at) => return Err(YamlError::new(at, "a key must be a plain text")),
            };
            if object.contains_key(&key) {
                let what = format!("the key \"{key}\" stands here a second time; remove one");
                return Err(YamlError::new(at, what));
            }
            let (event, marker) = self.next()?;
            let value = self.value(event, marker, depth + 1)?;
            object.insert(key, value);
        }
    }

    fn alias(&mut self, anchor: usize, at: Marker, depth: usize) -> Result<Value, YamlError> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(YamlError::new(at, "this alias names a value that contains it"));
        };
        if depth + anchored.depth > JSON_DEPTH_MAX {
            let what = format!("nested deeper than {JSON_DEPTH_MAX} levels by this alias");
            return Err(YamlError::new(at, what));
        }
        let (value, bytes) = (anchored.value.clone(), anchored.bytes);
        self.spend(bytes, at)?;
        Ok(value)
    }

    fn spend(&mut self, bytes: usize, at: Marker) -> Result<(), YamlError> {
        self.alias_bytes += bytes;
        if self.alias_bytes > ALIAS_BYTES_MAX {
            let what = "anchors and aliases make more than 1 MiB here; write the values out";
            return Err(YamlError::new(at, what));
        }
        Ok(())
    }

    /// Walks one value and notes the places of the wanted ones.
    fn find(
        &mut self,
        event: Event<'a>,
        place: Place,
        wanted: Option<&Wanted>,
        places: &mut [Option<Place>],
    ) -> Result<(), YamlError> {
        if let Some(wanted) = wanted {
            wanted.found(place, places);
        }
        match event {
            Event::SequenceStart(..) => {
                for index in 0_usize.. {
                    let (event, marker) = self.next()?;
                    if event == Event::SequenceEnd {
                        break;
                    }
                    let below = wanted.and_then(|wanted| wanted.below.get(&index.to_string()));
                    self.find(event, marker.into(), below, places)?;
                }
            }
            Event::MappingStart(..) => loop {
                let (event, marker) = self.next()?;
                let Event::Scalar(key, ..) = &event else { break };
                let below = wanted.and_then(|wanted| wanted.below.get(key.as_ref()));
                let (event, _) = self.next()?;
                self.find(event, marker.into(), below, places)?;
            },
            _ => {}
        }
        Ok(())
    }
}

impl YamlError {
    fn new(place: impl Into<Place>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() => resolve_tagged(&tag.suffix, text),
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => {
            Ok(Value::String(text.to_owned()))
        }
        Some(tag) => Err(format!("the tag {tag} is not supported; leave it out")),
        None if style == ScalarStyle::Plain => resolve_plain(text),
        None => Ok(Value::String(text.to_owned())),
    }
}

/// A key is the text as written: `1:` and `true:` are the keys "1" and "true".
fn key(text: &str, style: ScalarStyle, at: Marker) -> Result<String, YamlError> {
    match text {
        "<<" if style == ScalarStyle::Plain => {
            let what = "merge keys (<<) are not part of YAML 1.2; write the values out";
            Err(YamlError::new(at, what))
        }
        "" if style == ScalarStyle::Plain => Err(YamlError::new(at, "a key is missing here")),
        text => Ok(text.to_owned()),
    }
}

fn refuse_tag(tag: Option<&Tag>, own: &str, at: Marker) -> Result<(), YamlError> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == own) => {
            let what = format!("the tag {tag} is not supported; leave it out");
            Err(YamlError::new(at, what))
        }
        _ => Ok(()),
    }
}

/// Roughly how many bytes a value takes, and how many levels it has.
fn measure(value: &Value) -> (usize, usize) {
    const NODE_BYTES: usize = 32;
    let sum = |(bytes, levels): (usize, usize), (more, below): (usize, usize)| {
        (bytes + more, levels.max(below + 1))
    };
    match value {
        Value::String(text) => (NODE_BYTES + text.len(), 0),
        Value::Array(list) => list.iter().map(measure).fold((NODE_BYTES, 0), sum),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| {
                let (bytes, levels) = measure(value);
                (bytes + key.len(), levels)
            })
            .fold((NODE_BYTES, 0), sum),
        Value::Null | Value::Bool(_) | Value::Number(_) => (NODE_BYTES, 0),
    }
}
