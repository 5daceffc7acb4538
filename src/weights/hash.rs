//! Checksums as text, and the content hash that identifies the weights.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::header::Header;

/// Lower-case hexadecimal digits of `bytes`.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte)]).collect()
}

/// Hex SHA-256 of `bytes`.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Whether `text` is a SHA-256 in the only accepted form, that of [`hex`].
pub(super) fn is_hex_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Hex SHA-256 over the model configuration and every tensor's name, type, layout, shape and bytes, as
/// `weights/README.md` specifies. Independent of provenance and offsets.
pub(super) fn content(header: &Header) -> String {
    let mut text = String::from("clippie content 1\nmodel ");
    canonical(&header.meta.model, &mut text);
    text.push('\n');
    let mut tensors: Vec<_> = header.tensors.iter().collect();
    tensors.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    for entry in tensors {
        let spec = &entry.spec;
        let shape: Vec<String> = spec.shape.iter().map(usize::to_string).collect();
        let (dtype, layout) = (spec.dtype.name(), spec.layout.name());
        text += &format!("tensor {} {dtype} {layout} {} {}\n", spec.name, shape.join("x"), entry.sha256);
    }
    sha256(text.as_bytes())
}

/// Hex SHA-256 over the model configuration and the checkpoint that a file was made from, as `weights/README.md`
/// specifies: the same for files of all precisions.
pub(super) fn origin(header: &Header) -> String {
    let mut text = String::from("clippie origin 1\nmodel ");
    canonical(&header.meta.model, &mut text);
    let provenance = &header.meta.provenance;
    // JSON strings, so that no name ends a line.
    text += "\nsource ";
    canonical(&Value::from(provenance.source_sha256.as_str()), &mut text);
    text.push(' ');
    canonical(&Value::from(provenance.source_layout.as_str()), &mut text);
    text.push('\n');
    sha256(text.as_bytes())
}

/// Appends `value` as canonical JSON: no spaces, keys sorted by bytes, and numbers that are not integers as the 16
/// hexadecimal digits of their binary64.
///
/// `serde_json` guarantees neither: the order of its maps depends on features that other crates of a program enable,
/// and its digits of fractions have changed between releases (`1e-5`, `0.00001`). Its parser limits the depth to 128.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|&(key, _)| key);
            out.push('{');
            for (i, (key, item)) in fields.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                *out += &Value::from(key.as_str()).to_string();
                out.push(':');
                canonical(item, out);
            }
            out.push('}');
        }
        Value::Number(number) => match number.as_f64() {
            Some(fraction) if number.is_f64() => *out += &format!("{:016x}", fraction.to_bits()),
            _ => *out += &number.to_string(),
        },
        scalar => *out += &scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_has_two_lower_case_digits_per_byte() {
        assert_eq!(hex(&[0, 0x0f, 0xa5, 0xff]), "000fa5ff");
        assert!(is_hex_sha256(&sha256(b"")));
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(!is_hex_sha256(&"A".repeat(64)));
        assert!(!is_hex_sha256(&"a".repeat(63)));
    }

    #[test]
    fn canonical_json_has_one_form() {
        let value: Value =
            serde_json::from_str(r#"{ "b": [1, -7, 1.0, 1e-5, 0.00001], "a": {"y": null, "x": "é\n\u0041"} }"#)
                .unwrap();
        let mut text = String::new();
        canonical(&value, &mut text);
        assert_eq!(
            text,
            "{\"a\":{\"x\":\"é\\nA\",\"y\":null},\"b\":[1,-7,3ff0000000000000,3ee4f8b588e368f1,3ee4f8b588e368f1]}"
        );
    }
}
