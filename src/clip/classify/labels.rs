//! Labels: the names of what is told apart, each with the words that stand for it in a sentence.

use std::collections::HashMap;

use crate::error::Error;

/// Maximum number of labels, more than any published set has (ImageNet-21k: 21,841).
const MAX_LABELS: usize = 1 << 16;

/// A label and its wordings.
///
/// The name identifies the label in results; the wordings take its place in sentences. Without wordings of its own, a
/// label is worded as it is called.
///
/// ```
/// use clippie_rs::Label;
///
/// assert_eq!(Label::new("dog").wordings(), ["dog"]);
/// assert_eq!(Label::parse("n02084071: dog | domestic dog").wordings(), ["dog", "domestic dog"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    name: String,
    wordings: Vec<String>,
}

impl Label {
    /// Creates a label that is worded as it is called.
    #[must_use]
    pub fn new(name: &str) -> Label {
        let name = name.trim().to_owned();
        Label { wordings: vec![name.clone()], name }
    }

    /// Creates a label with wordings. Their embeddings are averaged as those of templates are.
    #[must_use]
    pub fn with_wordings(name: &str, wordings: impl IntoIterator<Item: AsRef<str>>) -> Label {
        let wordings = wordings.into_iter().map(|wording| wording.as_ref().trim().to_owned()).collect();
        Label { name: name.trim().to_owned(), wordings }
    }

    /// Parses a line: `name`, or `name: wording | wording`. A colon separates them only if white space or nothing
    /// follows it, so that `12:30` is a name.
    #[must_use]
    pub fn parse(line: &str) -> Label {
        let mut colons = line.match_indices(':').map(|(at, _)| (&line[..at], &line[at + 1..]));
        match colons.find(|(_, rest)| !rest.starts_with(|c: char| !c.is_whitespace())) {
            Some((name, wordings)) => Label::with_wordings(name, wordings.split('|')),
            None => Label::new(line),
        }
    }

    /// The name, without white space around it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The words that stand for the label in a sentence, at least one.
    #[must_use]
    pub fn wordings(&self) -> &[String] {
        &self.wordings
    }
}

impl<T: AsRef<str> + ?Sized> From<&T> for Label {
    fn from(name: &T) -> Self {
        Label::new(name.as_ref())
    }
}

impl From<String> for Label {
    fn from(name: String) -> Self {
        Label::new(&name)
    }
}

impl From<&Label> for Label {
    fn from(label: &Label) -> Self {
        label.clone()
    }
}

/// Refuses sets of labels that cannot be told apart.
pub(super) fn check(labels: &[Label]) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::Classifier(reason));
    if labels.is_empty() {
        return refuse("there are no labels; name what the photos may show".into());
    }
    if labels.len() > MAX_LABELS {
        return refuse(format!("there are {} labels; {MAX_LABELS} at most can be told apart", labels.len()));
    }
    let (mut names, mut words) = (HashMap::new(), HashMap::new());
    for (index, label) in labels.iter().enumerate() {
        let name = &label.name;
        if name.is_empty() {
            return refuse(format!("label {} is empty; name what it stands for", index + 1));
        }
        if let Some(first) = names.insert(name.as_str(), index) {
            return refuse(format!("the label {name:?} is there twice, as {} and {}", first + 1, index + 1));
        }
        if label.wordings.iter().any(String::is_empty) || label.wordings.is_empty() {
            return refuse(format!(
                "the label {name:?} has an empty wording; name what it shows, or leave out the `:`"
            ));
        }
        for wording in &label.wordings {
            if let Some(other) = words.insert(wording.as_str(), name) {
                return refuse(format!("the wording {wording:?} stands for the labels {other:?} and {name:?}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_a_name_and_wordings() {
        for (line, name, wordings) in [
            ("dog", "dog", &["dog"][..]),
            ("  a dog \t", "a dog", &["a dog"]),
            ("dog: hound", "dog", &["hound"]),
            ("dog: hound |a dog|  ", "dog", &["hound", "a dog", ""]),
            ("12:30", "12:30", &["12:30"]),
            ("12:30: half past | noon", "12:30", &["half past", "noon"]),
            ("dog:", "dog", &[""]),
            (": x", "", &["x"]),
            ("a:é: ü", "a:é", &["ü"]),
        ] {
            let label = Label::parse(line);
            assert_eq!(
                (label.name(), label.wordings()),
                (name, &wordings.iter().map(|w| w.to_string()).collect::<Vec<_>>()[..])
            );
        }
    }

    #[test]
    fn labels_that_cannot_be_told_apart_are_refused() {
        let said = |lines: &[&str]| {
            let labels: Vec<Label> = lines.iter().map(|line| Label::parse(line)).collect();
            check(&labels).map_err(|error| error.to_string())
        };
        assert_eq!(said(&["a", "b", "c: d | e"]), Ok(()));
        for (lines, reason) in [
            (&[][..], "there are no labels; name what the photos may show"),
            (&["a", " "], "label 2 is empty; name what it stands for"),
            (&["a", "b", "a "], "the label \"a\" is there twice, as 1 and 3"),
            (&["a:"], "the label \"a\" has an empty wording; name what it shows, or leave out the `:`"),
            (&["a", "b: c | a"], "the wording \"a\" stands for the labels \"a\" and \"b\""),
            (&["a: c | c"], "the wording \"c\" stands for the labels \"a\" and \"a\""),
        ] {
            assert_eq!(said(lines), Err(reason.to_owned()));
        }
        let many: Vec<Label> = (0..=MAX_LABELS).map(|i| Label::new(&i.to_string())).collect();
        assert!(check(&many).unwrap_err().to_string().starts_with("there are 65537 labels"));
        assert!(check(&many[1..]).is_ok());
    }
}
