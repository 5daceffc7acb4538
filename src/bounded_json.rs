//! JSON of a limited number of values. A byte of a text can become a hundred bytes of values, so its length says little
//! of the memory that it takes. What comes from a file or a server and has no fixed fields is read with this.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Maximum number of values of a file, which take up to 40 MB. Published files have some hundred.
pub(crate) const MAX_VALUES: usize = 1 << 16;

/// Parses a text that is one value.
#[cfg(feature = "import")]
pub(crate) fn parse(text: &[u8]) -> serde_json::Result<Value> {
    // The parser limits nesting to 128.
    let mut parser = serde_json::Deserializer::from_slice(text);
    let value = Values(&mut MAX_VALUES.clone()).deserialize(&mut parser)?;
    parser.end()?;
    Ok(value)
}

/// Reads a value in the field of a struct: `deserialize_with`.
pub(crate) fn value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Values(&mut MAX_VALUES.clone()).deserialize(deserializer)
}

/// Reads a value, with those inside it, of as many values as are left.
pub(crate) struct Values<'a>(pub &'a mut usize);

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.0.checked_sub(1) {
            Some(left) => *self.0 = left,
            None => return Err(de::Error::custom(format_args!("it holds more than {MAX_VALUES} values"))),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(Values(self.0))? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key()? {
            object.insert(key, map.next_value_seed(Values(self.0))?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(all(test, feature = "import"))]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_serde_json() {
        let text =
            r#" {"a": [null, true, -1, 18446744073709551615, 0.1, 1e400x], "é\n": {}, "a": "\ud83d\ude00", "": [[]]} "#;
        for text in [text.replace("1e400x", "1e-400"), text.to_owned(), "[1] 2".into(), "[".repeat(200), String::new()]
        {
            let (own, theirs) = (parse(text.as_bytes()), serde_json::from_slice::<Value>(text.as_bytes()));
            assert_eq!(own.map_err(|e| e.to_string()), theirs.map_err(|e| e.to_string()), "{text}");
        }
    }

    #[test]
    fn there_are_so_many_values() {
        let list = |count: usize| format!("[{}]", vec!["0"; count].join(","));
        assert!(parse(list(MAX_VALUES - 1).as_bytes()).is_ok());
        let error = parse(list(MAX_VALUES).as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("it holds more than 65536 values"), "{error}");
        let maps = format!("[{}]", vec![r#"{"":0}"#; MAX_VALUES / 2].join(","));
        assert!(parse(maps.as_bytes()).is_err());
    }
}
