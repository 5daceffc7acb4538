//! `clippie-rs pull`: downloads and converts a published model, and shows progress.

use std::ops::ControlFlow;
use std::time::Instant;

use super::args;
use super::messages::{Failure, Messages, Outcome, Progress, size};
use super::model;
use crate::Error;
use crate::hub::{Event, Hub, ModelName, Origin, Plan, PullOptions, StoredModel};
use crate::import::Stage;
use crate::weights::{Dtype, Precision, WeightsFile};

pub(super) fn run(args: &args::Pull, messages: &Messages) -> Result<Outcome, Failure> {
    let mut name: ModelName = parse(&args.model)?;
    if let Some(precision) = args.precision.map(Precision::from) {
        if name.precision() != precision && name.precision() != Precision::default() {
            let (stated, asked) = (name.precision().name(), precision.name());
            return Err(Failure::Usage(format!("{name} names {stated}, and --precision {asked}; give one of them")));
        }
        name = name.with_precision(precision);
    }
    let token_table = args::TokenTable::chosen(args.token_table, name.precision()).map_err(Failure::Usage)?;
    let hub = Hub::from_env().map_err(Error::from)?;
    if !args.force
        && let Some(model) = hub.find(&name).map_err(Error::from)?
    {
        if token_table == args::TokenTable::Int8 && !has_int8_table(&model)? {
            return Err(Failure::Error(format!(
                "{name} is installed with another token table: {}; give --force to fetch and convert it again",
                model.path.display()
            )));
        }
        messages.result(&format!(
            "{name} is already installed: {}, {}; --force downloads it again",
            model.path.display(),
            size(model.bytes)
        ));
        return Ok(Outcome::Complete);
    }
    let (force, keep_original, token_table) = (args.force, args.keep_original, token_table.into());
    let options = PullOptions { force, keep_original, token_table };
    fetch(&hub, &name, options, messages)?;
    Ok(Outcome::Complete)
}

/// Whether an installed model has a token table of 8 bits.
fn has_int8_table(model: &StoredModel) -> Result<bool, Failure> {
    let weights = WeightsFile::open(&model.path).map_err(Error::from)?;
    Ok(weights.header().token_table() == Some(Dtype::I8))
}

/// Parses the name of a model.
pub(super) fn parse(name: &str) -> Result<ModelName, Failure> {
    if name == "demo" && cfg!(feature = "demo") {
        return Err(Failure::Error("demo is compiled in: it is always available".into()));
    }
    name.parse().map_err(|error: crate::hub::NameError| {
        let hint = model::repository_hint(name).map_or_else(String::new, |hint| format!("; {hint}"));
        Failure::Error(format!("{error}{hint}"))
    })
}

/// Pulls a model and reports progress.
pub(super) fn fetch(
    hub: &Hub,
    name: &ModelName,
    options: PullOptions,
    messages: &Messages,
) -> Result<StoredModel, Failure> {
    let started = Instant::now();
    let mut bar: Option<Progress<'_>> = None;
    let mut planned = false;
    let mut show = |event: Event<'_>| {
        match event {
            Event::Waiting => messages.result(&format!("another process is pulling {name}; waiting for it")),
            Event::Plan(plan) => {
                planned = true;
                announce(&plan, messages);
            }
            Event::Retry { reason, wait } => {
                messages.warning(&format!("{reason}; trying again in {:.0} s", wait.as_secs_f64().ceil()));
            }
            Event::Download { done, total, .. } => {
                bar.get_or_insert_with(|| messages.progress_bytes()).set("fetching", done, total);
            }
            Event::Convert(at) => {
                let label = if at.stage == Stage::Hash { "reading" } else { "converting" };
                bar.get_or_insert_with(|| messages.progress_bytes()).set(label, at.done, at.total);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    };
    let model = hub.pull(name, options, &mut show).map_err(Error::from)?;
    drop(bar);
    // Without a plan, another process pulled the model.
    if planned {
        messages.result(&format!(
            "pulled {name}: {}, {}, {:.1} s",
            model.path.display(),
            size(model.bytes),
            started.elapsed().as_secs_f64()
        ));
    }
    Ok(model)
}

/// Prints the source and size of the download, and the license.
fn announce(plan: &Plan<'_>, messages: &Messages) {
    let (name, bytes) = (plan.name, size(plan.bytes));
    messages.result(&match plan.origin {
        Origin::HubCache(path) => {
            format!("{name}: converting {bytes} that another tool downloaded, {}", path.display())
        }
        Origin::Hub { url, commit } => format!("{name}: fetching {bytes} from {url} at {:.12}", commit),
    });
    let license = plan.license.unwrap_or("not stated");
    let research = if license.starts_with("apple-") { ", for research only" } else { "" };
    let confirmation = match name.known() {
        Some(model) if !model.license.confirmed && model.license.id == license => ", not confirmed",
        _ => "",
    };
    messages.result(&format!(
        "license of the weights: {license}{research}{confirmation}; the text at https://huggingface.co/{} is binding",
        name.repository()
    ));
}
