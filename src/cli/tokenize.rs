//! `clippie-rs tokenize`: prints the token ids of texts.

use std::io::{self, Write};

use serde::Serialize;

use super::args::Tokenize;
use super::inputs;
use super::messages::{Failure, Messages, Outcome, count};
use super::model;
use super::output::{Destination, cannot_write, plain_json};
use crate::tokenizer::{Overflow, Tokenizer, TokenizerFile};
use crate::{Error, Options};

/// Token positions of OpenAI's models, and of all that follow them.
const CONTEXT_LENGTH: usize = 77;

#[derive(Serialize)]
struct JsonRow<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn run(args: &Tokenize, messages: &Messages) -> Result<Outcome, Failure> {
    if args.texts.is_empty() && args.texts_from.is_none() {
        return Err(Failure::Usage("nothing to tokenize: give texts, or a file of them with --texts-from".into()));
    }
    let texts = inputs::texts(&args.texts, args.texts_from.as_deref())?;
    let (tokenizer, context_length) = tokenizer(args)?;
    let tokenizer = match &args.language {
        Some(language) => tokenizer.with_language(language).map_err(Error::from)?,
        None => tokenizer,
    };
    let context_length = args.context_length.map_or(context_length, |length| length as usize);
    let overflow = if args.refuse_long { Overflow::Refuse } else { Overflow::Truncate };
    let mut out = Destination::open(None).map_err(|error| cannot_write(None, &error))?;
    let mut failed = 0;
    for (i, text) in texts.iter().enumerate() {
        let result = tokenizer.tokenize(text, context_length, overflow);
        if let Err(error) = &result {
            failed += 1;
            messages.error(&format!("text {}: {error}", i + 1));
        }
        let (ids, error) = match result {
            Ok(ids) => (Some(ids), None),
            Err(error) => (None, Some(error.to_string())),
        };
        write(&mut out, &JsonRow { text, ids, error }).map_err(|error| cannot_write(None, &error))?;
    }
    out.commit().map_err(|error| cannot_write(None, &error))?;
    let summary = || format!("tokenized {} of {}; {failed} failed", texts.len() - failed, count(texts.len(), "text"));
    match failed {
        0 => Ok(Outcome::Complete),
        _ if failed == texts.len() => Err(Failure::Error(summary())),
        _ => {
            messages.partial_failure(&summary());
            Ok(Outcome::Partial)
        }
    }
}

fn write(out: &mut impl Write, row: &JsonRow<'_>) -> io::Result<()> {
    plain_json::write(&mut *out, row)?;
    out.write_all(b"\n")
}

/// The tokenizer and the context length of the file or model that was named, or else of CLIP.
fn tokenizer(args: &Tokenize) -> Result<(Tokenizer, usize), Failure> {
    if let Some(path) = &args.tokenizer {
        let file = TokenizerFile::read(path).map_err(Error::from)?.with_clean(args.clean.into());
        return Ok((file.tokenizer().map_err(Error::from)?, usize::MAX));
    }
    let Some(name) = &args.model else { return Ok((Tokenizer::clip().clone(), CONTEXT_LENGTH)) };
    let weights = model::open(Some(name))?;
    let path = weights.path().to_owned();
    let encoder = Options::new().open_weights_text(weights)?;
    match encoder.tokenizer() {
        Some(tokenizer) => Ok((tokenizer.clone(), encoder.context_length())),
        None => Err(Failure::Error(format!(
            "{}: it holds no tokenizer for its text tower, which takes ids alone and no text; name another model, or convert \
             its checkpoint again with its tokenizer beside it",
            path.display()
        ))),
    }
}
