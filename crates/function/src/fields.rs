//! Text fields as types: path parameters and query strings, where every value is text.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};

/// Why fields do not fit, and the name of the one that does not.
#[derive(Debug)]
pub(crate) struct FieldError {
    /// Name of the field; empty when one is missing or unknown.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) what: String,
}

/// Reads a struct from name and text pairs. A name that comes several times is a list; numbers and
/// booleans are read from their text.
pub(crate) fn read<T: DeserializeOwned>(
    pairs: impl IntoIterator<Item = (String, String)>,
) -> Result<T, FieldError> {
    let mut fields: Vec<(String, Texts)> = Vec::new();
    for (name, text) in pairs {
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, texts)) => texts.0.push(text),
            None => fields.push((name, Texts(vec![text]))),
        }
    }
    let deserializer = MapDeserializer::<_, serde::de::value::Error>::new(fields.into_iter());
    serde_path_to_error::deserialize(deserializer).map_err(|error| FieldError {
        field: error.path().iter().next().map(ToString::to_string).unwrap_or_default(),
        what: error.into_inner().to_string(),
    })
}

/// Percent-decodes `a=1&b=x+y`. Text that is not UTF-8 after decoding gets U+FFFD.
pub(crate) fn decode_query(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(text))
        })
        .collect()
}

/// The texts of one name.
struct Texts(Vec<String>);

impl Texts {
    fn one(self) -> Result<String, serde::de::value::Error> {
        let mut texts = self.0.into_iter();
        match (texts.next(), texts.next()) {
            (Some(text), None) => Ok(text),
            _ => Err(serde::de::value::Error::custom("given more than once")),
        }
    }
}

impl IntoDeserializer<'_, serde::de::value::Error> for Texts {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $what:literal)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            let text = self.one()?;
            let value = text
                .parse()
                .map_err(|_| Self::Error::custom(format_args!("`{text}` is not {}", $what)))?;
            visitor.$visit(value)
        }
    )*};
}

impl<'de> Deserializer<'de> for Texts {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_string(self.one()?)
    }

    parsed! {
        deserialize_bool visit_bool "true or false"
        deserialize_i8 visit_i8 "a whole number between -128 and 127"
        deserialize_i16 visit_i16 "a whole number between -32768 and 32767"
        deserialize_i32 visit_i32 "a whole number of 32 bits"
        deserialize_i64 visit_i64 "a whole number of 64 bits"
        deserialize_u8 visit_u8 "a whole number between 0 and 255"
        deserialize_u16 visit_u16 "a whole number between 0 and 65535"
        deserialize_u32 visit_u32 "a whole number between 0 and 4294967295"
        deserialize_u64 visit_u64 "a whole number, not negative"
        deserialize_f32 visit_f32 "a number"
        deserialize_f64 visit_f64 "a number"
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        let texts = self.0.into_iter().map(|text| Texts(vec![text]));
        visitor.visit_seq(SeqDeserializer::new(texts))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_enum(self.one()?.into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct
        identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Sort {
        Newest,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        limit: Option<u32>,
        #[serde(default)]
        tag: Vec<String>,
        sort: Option<Sort>,
    }

    #[test]
    fn numbers_lists_and_choices_are_read_from_a_query_string() {
        let filter: Filter = read(decode_query("limit=5&tag=a%20b&tag=c+d&sort=newest")).unwrap();
        let tag = vec!["a b".to_owned(), "c d".to_owned()];
        assert_eq!(filter, Filter { limit: Some(5), tag, sort: Some(Sort::Newest) });
    }

    #[test]
    fn the_error_names_the_field_and_what_was_expected() {
        let error = read::<Filter>(decode_query("limit=many")).unwrap_err();
        assert_eq!(error.field, "limit");
        assert!(error.what.contains("`many` is not a whole number"), "{}", error.what);
        assert!(read::<Filter>(decode_query("limit=1&limit=2")).is_err());
        assert!(read::<Filter>(decode_query("surprise=1")).unwrap_err().what.contains("surprise"));
    }
}
