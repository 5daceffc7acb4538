//! Labels of the classes of a data set, and what each template and each wording is worth alone.

use std::collections::HashMap;

use ndarray::Array2;

use super::error::EvaluateError as Error;
use super::report::{RankedTemplate, RankedWording};
use super::{Dataset, metrics};
use crate::clip::{Classifier, Clip, Label, Templates};

/// Classes as they are called, with spaces for underscores.
pub(super) fn default_labels(dataset: &Dataset) -> Vec<Label> {
    dataset.classes().iter().map(|class| Label::with_wordings(class, [class.replace('_', " ")])).collect()
}

/// Sorts labels by the classes of a data set that they name.
pub(super) fn in_order(dataset: &Dataset, labels: Vec<Label>) -> Result<Vec<Label>, Error> {
    let path = dataset.path().display();
    if dataset.classes().is_empty() {
        return Err(Error::Option(format!("{path} has captions and no classes, so it takes no labels")));
    }
    let mut named = HashMap::new();
    for label in labels {
        let name = label.name().to_owned();
        if !dataset.classes().contains(&name) {
            let known = dataset.classes().iter().take(10).map(|class| format!("{class:?}")).collect::<Vec<_>>();
            let known = known.join(", ") + if dataset.classes().len() > 10 { ", …" } else { "" };
            return Err(Error::Option(format!("the label {name:?} is no class of {path}, which has {known}")));
        }
        if named.insert(name.clone(), label).is_some() {
            return Err(Error::Option(format!("the label {name:?} is there twice")));
        }
    }
    let label = |class: &String| {
        named.remove(class).ok_or_else(|| Error::Option(format!("the class {class:?} of {path} has no label")))
    };
    dataset.classes().iter().map(label).collect()
}

/// What classes are compared with.
pub(super) struct Prompts<'a> {
    pub clip: &'a Clip,
    pub labels: &'a [Label],
    pub templates: &'a Templates,
    /// `[photos, embed_dim]`.
    pub rows: &'a Array2<f32>,
}

impl Prompts<'_> {
    /// The labels, each as the mean of its sentences.
    pub fn classifier(&self, labels: &[Label], templates: &Templates) -> Result<Classifier, Error> {
        Ok(self.clip.classifier(labels).templates(templates.clone()).build()?)
    }

    /// Cosines of all photos with the mean of each label: `[photos, labels]`.
    fn cosines(&self, labels: &[Label], templates: &Templates) -> Result<Array2<f64>, Error> {
        Ok(self.classifier(labels, templates)?.cosines(self.rows)?)
    }

    /// Ranks templates by the accuracy that each has alone.
    pub fn rank_templates(&self, truth: &[usize]) -> Result<Vec<RankedTemplate>, Error> {
        if self.templates.len() < 2 {
            return Ok(Vec::new());
        }
        let mut ranked = Vec::new();
        for template in self.templates.iter() {
            let cosines = self.cosines(self.labels, &Templates::new([template])?)?;
            let ranks = metrics::ranks(cosines.view(), truth);
            let (top1, top5) = (metrics::share_at(&ranks, 1), metrics::share_at(&ranks, 5));
            ranked.push(RankedTemplate { template: template.to_owned(), top1, top5 });
        }
        ranked.sort_by(|a, b| b.top1.total_cmp(&a.top1));
        Ok(ranked)
    }

    /// Ranks the wordings of each class that has several: each takes the place of all of them. `cosines` are those of
    /// all wordings.
    pub fn rank_wordings(&self, cosines: &Array2<f64>, truth: &[usize]) -> Result<Vec<RankedWording>, Error> {
        let several = || self.labels.iter().enumerate().filter(|(_, label)| label.wordings().len() > 1);
        let wordings: Vec<Label> = several().flat_map(|(_, label)| label.wordings()).map(Label::from).collect();
        if wordings.is_empty() {
            return Ok(Vec::new());
        }
        let alone = self.cosines(&wordings, self.templates)?; // [photos, wordings]
        let mut columns = alone.columns().into_iter();
        let mut ranked = Vec::new();
        for (class, label) in several() {
            let mut replaced = cosines.clone();
            let mut of_class: Vec<RankedWording> = Vec::new();
            for (wording, column) in label.wordings().iter().zip(columns.by_ref()) {
                replaced.column_mut(class).assign(&column);
                let ranks = metrics::ranks(replaced.view(), truth);
                let of_the_class = ranks.iter().zip(truth).filter(|(_, other)| **other == class);
                let class_ranks: Vec<usize> = of_the_class.map(|(rank, _)| *rank).collect();
                of_class.push(RankedWording {
                    class: label.name().to_owned(),
                    wording: wording.clone(),
                    top1: metrics::share_at(&ranks, 1),
                    class_top1: metrics::share_at(&class_ranks, 1),
                });
            }
            of_class.sort_by(|a, b| b.top1.total_cmp(&a.top1));
            ranked.extend(of_class);
        }
        Ok(ranked)
    }
}
