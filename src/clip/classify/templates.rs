//! Templates: sentences with a place for a label.

use crate::error::Error;

/// Maximum number of templates; CLIP's published list for ImageNet has 80.
const MAX_TEMPLATES: usize = 1024;

/// What a label takes the place of.
const PLACEHOLDERS: [&str; 2] = ["{}", "{label}"];

/// The template of CLIP's paper (Radford et al. 2021, section 3.1.4).
const PHOTO: &str = "a photo of a {}.";

/// [`Templates::general`]: photos of any kind and quality, and pictures that are none.
const GENERAL: [&str; 10] = [
    PHOTO,
    "a photo that shows the {}.",
    "a picture of one {}.",
    "a {} seen from close by.",
    "a {} seen from far away.",
    "a bright, sharp photo of a {}.",
    "a dark or blurred photo of a {}.",
    "a snapshot with a {} in it.",
    "a drawing of a {}.",
    "this is a {}.",
];

/// Sentences around labels: `{}` or `{label}` marks the place of the label.
///
/// The embeddings of a label in all sentences are averaged and normalised again, as CLIP and open_clip build their
/// zero-shot classifiers (`CLIP/notebooks/Prompt_Engineering_for_ImageNet.ipynb`, `open_clip/zero_shot_classifier.py`).
///
/// ```
/// use clippie_rs::Templates;
///
/// let templates = Templates::new(["a photo of a {}.", "a {label} in the rain"])?;
/// assert_eq!(templates.fill(1, "dog"), "a dog in the rain");
/// # Ok::<(), clippie_rs::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Templates(Vec<Template>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Template {
    text: String,
    /// What is between the places of the label.
    parts: Vec<String>,
}

impl Templates {
    /// Parses templates.
    ///
    /// # Errors
    /// No template, more than 1,024, or one without a place for the label.
    pub fn new(templates: impl IntoIterator<Item: AsRef<str>>) -> Result<Templates, Error> {
        let mut parsed = Vec::new();
        for text in templates {
            if parsed.len() == MAX_TEMPLATES {
                return Err(Error::Classifier(format!("there are more than {MAX_TEMPLATES} templates; give fewer")));
            }
            parsed.push(Template::parse(text.as_ref())?);
        }
        if parsed.is_empty() {
            return Err(Error::Classifier("there are no templates; give one such as \"a photo of a {}.\"".into()));
        }
        Ok(Templates(parsed))
    }

    /// Ten templates for photos of any kind. Costs ten sentences per label.
    #[must_use]
    pub fn general() -> Templates {
        Templates::fixed(&GENERAL)
    }

    /// The label alone, for labels that are sentences.
    #[must_use]
    pub fn bare() -> Templates {
        Templates::fixed(&["{}"])
    }

    fn fixed(texts: &[&str]) -> Templates {
        let split = |text: &&str| Template {
            text: (*text).to_owned(),
            parts: text.split(PLACEHOLDERS[0]).map(str::to_owned).collect(),
        };
        Templates(texts.iter().map(split).collect())
    }

    /// Number of templates, at least one.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "they are never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The templates as they were given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|template| template.text.as_str())
    }

    /// The sentence of template `index` with a label, or the label alone beyond the last template.
    #[must_use]
    pub fn fill(&self, index: usize, label: &str) -> String {
        self.0.get(index).map_or_else(|| label.to_owned(), |template| template.parts.join(label))
    }
}

impl Default for Templates {
    /// `a photo of a {}.`, the template of CLIP's paper.
    fn default() -> Self {
        Templates::fixed(&[PHOTO])
    }
}

impl Template {
    fn parse(text: &str) -> Result<Template, Error> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((at, placeholder)) = next_placeholder(rest) {
            parts.push(rest[..at].to_owned());
            rest = &rest[at + placeholder.len()..];
        }
        if parts.is_empty() {
            return Err(Error::Classifier(format!(
                "the template {text:?} has no place for the label; write {{}} where it belongs"
            )));
        }
        parts.push(rest.to_owned());
        Ok(Template { text: text.to_owned(), parts })
    }
}

/// The first placeholder of `text` and where it is.
fn next_placeholder(text: &str) -> Option<(usize, &'static str)> {
    PLACEHOLDERS.into_iter().filter_map(|placeholder| Some((text.find(placeholder)?, placeholder))).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_takes_every_place() {
        let texts = ["{}", "{label}", "a {} and {label}.", "{}{}", "{x} {} }{", "é{}ü"];
        let templates = Templates::new(texts).unwrap();
        let filled: Vec<String> = (0..templates.len()).map(|index| templates.fill(index, "d{}g")).collect();
        assert_eq!(filled, ["d{}g", "d{}g", "a d{}g and d{}g.", "d{}gd{}g", "{x} d{}g }{", "éd{}gü"]);
        assert_eq!(templates.iter().collect::<Vec<_>>(), texts);
        assert_eq!(templates.fill(6, "dog"), "dog");
        assert_eq!(Templates::default().fill(0, "dog"), "a photo of a dog.");
        assert_eq!(Templates::bare().fill(0, "two dogs"), "two dogs");
    }

    #[test]
    fn the_fixed_templates_are_valid() {
        for templates in [Templates::default(), Templates::general(), Templates::bare()] {
            assert_eq!(Templates::new(templates.iter()).unwrap(), templates);
        }
    }

    #[test]
    fn a_template_has_a_place() {
        for text in ["", "a photo", "{x}", "{ }", "{label", "{Label}"] {
            let error = Templates::new([text]).unwrap_err().to_string();
            assert_eq!(error, format!("the template {text:?} has no place for the label; write {{}} where it belongs"));
        }
        assert!(Templates::new([""; 0]).unwrap_err().to_string().starts_with("there are no templates"));
        assert!(Templates::new(vec!["{}"; MAX_TEMPLATES]).is_ok());
        assert!(Templates::new(vec!["{}"; MAX_TEMPLATES + 1]).is_err());
    }
}
