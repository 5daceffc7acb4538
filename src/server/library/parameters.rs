//! The parameters of an address: `?q=a+dog&n=20`. Every one must be known, so that a misspelt filter is not left out.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::super::refusal::Refusal;

/// Most parameters of an address.
const MOST: usize = 64;

/// The parameters of an address, in order.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Parses what follows the question mark.
    pub fn parse(query: Option<&str>, known: &[&str]) -> Result<Parameters, Refusal> {
        let mut found = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if !known.contains(&&*name) {
                let known = match known {
                    [] => "none is".to_owned(),
                    known => format!("{} are", known.join(", ")),
                };
                return Err(Refusal::bad(format!("there is no parameter `{name}`; {known} known here")));
            }
            if found.len() == MOST {
                return Err(Refusal::bad(format!("the address has more than {MOST} parameters")));
            }
            found.push((name, value));
        }
        Ok(Parameters(found))
    }

    /// All values of a parameter.
    pub fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that may be there once.
    pub fn one(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Refusal::bad(format!("the parameter `{name}` is there twice"))),
        }
    }

    /// A finite number. What else a text may parse as, such as `inf`, is none.
    pub fn number(&self, name: &'static str) -> Result<Option<f64>, Refusal> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let number: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.map(Some).ok_or_else(|| Refusal::bad(format!("`{name}={text}` is not a number")))
    }

    /// A whole number in a range.
    pub fn whole(&self, name: &'static str, (least, most): (usize, usize)) -> Result<Option<usize>, Refusal> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        // No sign, no spaces.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| digits && (least..=most).contains(number));
        let refused = || Refusal::bad(format!("`{name}={text}` is not a whole number from {least} to {most}"));
        number.map(Some).ok_or_else(refused)
    }

    /// `true` or `false`, which it is if it is not there.
    pub fn is(&self, name: &'static str) -> Result<bool, Refusal> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => Err(Refusal::bad(format!("`{name}={text}` is neither true nor false"))),
        }
    }
}

/// A name or value: `+` is a space, and the rest is percent-encoded UTF-8.
fn decoded(text: &str) -> Result<String, Refusal> {
    let spaces: Cow<'_, [u8]> = match text.contains('+') {
        true => text.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }).collect(),
        false => text.as_bytes().into(),
    };
    let bytes: Vec<u8> = percent_decode(&spaces).collect();
    String::from_utf8(bytes).map_err(|_| Refusal::bad("a parameter of the address is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_known() {
        let parsed =
            Parameters::parse(Some("q=a+dog%20%2B%20caf%C3%A9&in=a&&in=b%2fc&all"), &["q", "in", "all"]).unwrap();
        assert_eq!(parsed.one("q").unwrap(), Some("a dog + café"));
        assert!(parsed.all("in").eq(["a", "b/c"]));
        assert_eq!(parsed.one("all").unwrap(), Some(""));
        assert!(parsed.one("in").unwrap_err().message.contains("twice"));
        for (query, reason) in
            [("b=1", "no parameter `b`; q are known"), ("q=%ff", "not UTF-8"), ("Q=1", "no parameter `Q`")]
        {
            let error = Parameters::parse(Some(query), &["q"]).unwrap_err();
            assert!(error.message.contains(reason), "{query}: {}", error.message);
        }
        assert_eq!(Parameters::parse(None, &[]).unwrap(), Parameters::default());
        assert!(Parameters::parse(Some(&"a&".repeat(65)), &["a"]).is_err());
    }

    #[test]
    fn numbers_are_finite_and_in_range() {
        let parsed = |value: &str| Parameters::parse(Some(&format!("n={value}")), &["n"]).unwrap();
        for (value, number) in
            [("1", Some(1.0)), ("-0.5", Some(-0.5)), ("1e3", Some(1000.0)), ("inf", None), ("", None), ("1,5", None)]
        {
            assert_eq!(parsed(value).number("n").ok().flatten(), number, "{value}");
        }
        for (value, number) in [
            ("1", Some(1)),
            ("1000", Some(1000)),
            ("0", None),
            ("1001", None),
            ("%2B5", None),
            ("5%20", None),
            ("", None),
        ] {
            assert_eq!(parsed(value).whole("n", (1, 1000)).ok().flatten(), number, "{value}");
        }
        assert!(parsed("true").is("n").unwrap() && !parsed("false").is("n").unwrap() && parsed("1").is("n").is_err());
    }
}
