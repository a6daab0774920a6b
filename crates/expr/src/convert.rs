//! Values across the border between Rust and JavaScript.
//!
//! Into JavaScript a value goes as JSON text, so numbers become doubles there. Out of it comes
//! what `JSON.stringify` would print: `undefined`, functions, symbols, NaN and the infinities are
//! null, dates are ISO texts. A BigInt comes out as a number with all its digits.

use kernel::item::BinaryRef;
use kernel::{Item, Object, Value};
use rquickjs::{Ctx, Error, Exception, IntoJs, Result};

/// A value as JavaScript sees it.
pub(crate) fn to_js<'js>(ctx: &Ctx<'js>, value: &Value) -> Result<rquickjs::Value<'js>> {
    match value {
        Value::Null => Ok(rquickjs::Value::new_null(ctx.clone())),
        Value::Bool(flag) => Ok(rquickjs::Value::new_bool(ctx.clone(), *flag)),
        Value::String(text) => text.as_str().into_js(ctx),
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            Ok(rquickjs::Value::new_number(ctx.clone(), number))
        }
        Value::Array(_) | Value::Object(_) => ctx.json_parse(value.to_string()),
    }
}

/// An object as JavaScript sees it.
pub(crate) fn object_to_js<'js>(ctx: &Ctx<'js>, object: &Object) -> Result<rquickjs::Value<'js>> {
    ctx.json_parse(serde_json::to_vec(object).map_err(|_| Error::Unknown)?)
}

/// A whole item, `{json, binary?, pairedItem}`, around its data that is in JavaScript already.
pub(crate) fn item_to_js<'js>(
    ctx: &Ctx<'js>,
    item: &Item,
    json: rquickjs::Value<'js>,
    own_index: Option<usize>,
) -> Result<rquickjs::Value<'js>> {
    let object = rquickjs::Object::new(ctx.clone())?;
    object.set("json", json)?;
    if let Some(binary) = &item.binary {
        object.set("binary", binary_to_js(ctx, binary)?)?;
    }
    let paired = match own_index {
        Some(index) => serde_json::json!({ "item": index }),
        None => serde_json::to_value(&item.pairing).unwrap_or_default(),
    };
    object.set("pairedItem", to_js(ctx, &paired)?)?;
    Ok(object.into_value())
}

/// The files of an item: FlowForge's fields, and n8n's names for them as hidden properties.
pub(crate) fn binary_to_js<'js>(
    ctx: &Ctx<'js>,
    files: &std::collections::BTreeMap<String, BinaryRef>,
) -> Result<rquickjs::Value<'js>> {
    let object = rquickjs::Object::new(ctx.clone())?;
    for (name, file) in files {
        let value = serde_json::to_value(file).map_err(|_| Error::Unknown)?;
        let one = rquickjs::Object::from_value(to_js(ctx, &value)?)?;
        let file_name = file.file_name.as_deref();
        let extension = file_name.and_then(|name| name.rsplit_once('.')).map(|(_, end)| end);
        let hidden = [
            ("id", Some(file.blob.as_str())),
            ("mimeType", Some(file.mime_type.as_str())),
            ("fileName", file_name),
            ("fileExtension", extension),
        ];
        for (name, text) in hidden {
            if let Some(text) = text {
                one.prop(name, rquickjs::object::Property::from(text))?;
            }
        }
        one.prop("fileSize", rquickjs::object::Property::from(file.size as f64))?;
        object.set(name.as_str(), one)?;
    }
    Ok(object.into_value())
}

/// Why a JavaScript value cannot leave.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// Something was thrown on the way; it is pending in the context.
    Thrown(Error),
    /// It is not JSON.
    NotJson(String),
}

impl Unfit {
    /// Throws it: a TypeError of the conversion is no TypeError of the script.
    pub(crate) fn throw(self, ctx: &Ctx<'_>) -> Error {
        let what = match self {
            Self::NotJson(what) => what,
            Self::Thrown(Error::Exception) => {
                let thrown = ctx.catch();
                let exception = thrown.clone().into_object().and_then(Exception::from_object);
                let is_type_error = exception.as_ref().is_some_and(|exception| {
                    exception.as_object().get::<_, String>("name").is_ok_and(|n| n == "TypeError")
                });
                if !is_type_error {
                    return ctx.throw(thrown);
                }
                exception.and_then(|exception| exception.message()).unwrap_or_default()
            }
            Self::Thrown(error) => return error,
        };
        Exception::throw_message(ctx, &format!("The result cannot be JSON: {what}"))
    }
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Self {
        Self::Thrown(error)
    }
}

/// A JavaScript value as JSON.
pub(crate) fn from_js<'js>(
    ctx: &Ctx<'js>,
    value: rquickjs::Value<'js>,
) -> std::result::Result<Value, Unfit> {
    use rquickjs::Type;
    match value.type_of() {
        Type::Uninitialized | Type::Undefined | Type::Null | Type::Function | Type::Symbol => {
            Ok(Value::Null)
        }
        Type::Bool => Ok(Value::Bool(value.as_bool().unwrap_or_default())),
        Type::Int => Ok(Value::from(value.as_int().unwrap_or_default())),
        Type::Float => Ok(number_to_value(value.as_float().unwrap_or(f64::NAN))),
        Type::BigInt => {
            let text: rquickjs::Coerced<String> = value.get()?;
            kernel::json::parse_str(&text.0).map_err(|error| Unfit::NotJson(error.to_string()))
        }
        Type::String => {
            let text = value.into_string().ok_or(Error::Unknown)?;
            match text.to_string() {
                Ok(text) => Ok(Value::String(text)),
                // A lone surrogate has no UTF-8: its JSON escape has, and is mended below.
                Err(_) => by_json(ctx, text.into_value()),
            }
        }
        _ => by_json(ctx, value),
    }
}

fn by_json<'js>(ctx: &Ctx<'js>, value: rquickjs::Value<'js>) -> std::result::Result<Value, Unfit> {
    // Called for each value, so that the deadline can stop what has no end: a list that holds another
    // twice, which holds a third twice, and so on.
    let as_is: rquickjs::Function<'js> = ctx.eval("(key, value) => value")?;
    let text = ctx.json_stringify_replacer(value, as_is)?;
    let Some(text) = text else { return Ok(Value::Null) };
    let text = text.to_string()?;
    let parsed = kernel::json::parse(text.as_bytes());
    parsed.map(|parsed| parsed.value).map_err(|error| Unfit::NotJson(error.what))
}

/// A double as JSON: whole numbers without a point, NaN and infinities as null.
fn number_to_value(number: f64) -> Value {
    if !number.is_finite() {
        return Value::Null;
    }
    let text = number_text(number);
    kernel::json::parse_str(&text).unwrap_or_default()
}

/// A number the way JavaScript prints it (ECMA-262, Number::toString with radix 10).
pub(crate) fn number_text(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').expect("{:e} prints an exponent");
    let digits: String = mantissa.chars().filter(|digit| *digit != '.').collect();
    let point = exponent.parse::<i32>().expect("{:e} prints a whole exponent") + 1;
    let count = digits.len() as i32;
    let body = if count <= point && point <= 21 {
        format!("{digits}{}", "0".repeat((point - count) as usize))
    } else if 0 < point && point <= 21 {
        format!("{}.{}", &digits[..point as usize], &digits[point as usize..])
    } else if -6 < point && point <= 0 {
        format!("0.{}{digits}", "0".repeat(-point as usize))
    } else {
        let sign = if point > 0 { "+" } else { "-" };
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{first}{dot}{rest}e{sign}{}", (point - 1).abs())
    };
    if number < 0.0 { format!("-{body}") } else { body }
}

#[cfg(test)]
mod tests {
    use super::number_text;

    #[test]
    fn numbers_print_as_javascript_prints_them() {
        for (number, text) in [
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (1.25e-7, "1.25e-7"),
            (0.000001, "0.000001"),
            (1152921504606846976.0, "1152921504606847000"),
            (-0.0, "0"),
        ] {
            assert_eq!(number_text(number), text);
        }
    }
}
