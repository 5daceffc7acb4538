//! The fields of transformers' image processors: `preprocessor_config.json` and `processor_config.json`.

use super::Is::{Empty, No, Text};
use super::Rule::{NoEffect, Obeyed, Only};
use super::{Is, Table};

const ARRAY: &str = "the order of the reference's arrays";
const FILE: &str = "about the file, not the photos";
const COMPUTE: &str = "how the reference computes the same";
const OTHER: &str = "it asks for another image processor than CLIP's";
const CODE: &str = "it asks for the code of its repository, which is never run";
const SQUARE: &str = "it asks for another meaning of `size`";

const CLASSES: &[Is] = &[
    Text("CLIPImageProcessor"),
    Text("CLIPImageProcessorFast"),
    Text("CLIPImageProcessorPil"),
    Text("CLIPFeatureExtractor"),
];

/// `processor_config.json` of newer versions, which holds the image processor as an object.
pub(crate) const FILE_OF_ALL: Table = Table::new(&[
    ("image_processor", Obeyed),
    ("processor_class", Only(&[Text("CLIPProcessor"), Text("SiglipProcessor")], OTHER)),
    ("auto_map", Only(&[Empty], CODE)),
]);

pub(crate) const IMAGE: Table = Table::new(&[
    ("image_processor_type", Only(CLASSES, OTHER)),
    ("feature_extractor_type", Only(CLASSES, OTHER)),
    ("processor_class", Only(&[Text("CLIPProcessor")], OTHER)),
    ("auto_map", Only(&[Empty], CODE)),
    ("do_resize", Obeyed),
    ("size", Obeyed),
    ("default_to_square", Only(&[No], SQUARE)),
    ("use_square_size", Only(&[No], SQUARE)),
    ("resample", Obeyed),
    ("crop_pct", Only(&[], "it asks for another crop")),
    ("do_center_crop", Obeyed),
    ("crop_size", Obeyed),
    ("do_rescale", Obeyed),
    ("rescale_factor", Obeyed),
    ("do_normalize", Obeyed),
    ("image_mean", Obeyed),
    ("image_std", Obeyed),
    ("do_convert_rgb", NoEffect("every photo becomes red, green and blue")),
    ("do_flip_channel_order", Only(&[No], "it asks for blue, green and red")),
    ("do_pad", Only(&[No], "it asks for borders")),
    ("pad_size", NoEffect("used with `do_pad` only, which is refused")),
    ("data_format", NoEffect(ARRAY)),
    ("input_data_format", NoEffect(ARRAY)),
    ("return_tensors", NoEffect(ARRAY)),
    ("device", NoEffect(COMPUTE)),
    ("disable_grouping", NoEffect(COMPUTE)),
    ("image_seq_length", NoEffect("for models that read photos as tokens")),
    ("model_input_names", NoEffect(FILE)),
    ("_valid_processor_keys", NoEffect(FILE)),
    ("_processor_class", NoEffect(FILE)),
    ("_name_or_path", NoEffect(FILE)),
    ("name_or_path", NoEffect(FILE)),
    ("transformers_version", NoEffect(FILE)),
]);

/// `size` and `crop_size` as objects.
pub(crate) const SIZE: Table = Table::new(&[("shortest_edge", Obeyed), ("height", Obeyed), ("width", Obeyed)]);
