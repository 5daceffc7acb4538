//! The fields of transformers' files of a `SiglipModel`, of its towers alone and of its image processor.

use super::Is::{Empty, No, Text, Yes};
use super::Rule::{NoEffect, Obeyed, Only};
use super::{Is, Table, huggingface, processor};

const MODEL_TYPE: &str = "it is the configuration of another kind of model";
const TOWER: &str = "it is the configuration of another kind of tower";
const TOKENIZER: &str = "the tokenizer's file beside the checkpoint decides it";

pub(crate) const MODEL: Table = Table {
    fields: &[
        ("model_type", Only(&[Text("siglip")], MODEL_TYPE)),
        ("text_config", Obeyed),
        ("vision_config", Obeyed),
        ("tokenizer_class", NoEffect(TOKENIZER)),
    ],
    base: Some(&huggingface::COMMON),
};

pub(crate) const TEXT: Table = Table {
    fields: &[
        ("model_type", Only(&[Text("siglip_text_model")], TOWER)),
        ("projection_size", Obeyed),
        ("eos_token_id", NoEffect(TOKENIZER)),
        ("tokenizer_class", NoEffect(TOKENIZER)),
    ],
    base: Some(&huggingface::TEXT_TOWER),
};

pub(crate) const VISION: Table = Table {
    fields: &[
        ("model_type", Only(&[Text("siglip_vision_model")], TOWER)),
        ("vision_use_head", Only(&[Yes], "it asks for a tower that does not pool")),
    ],
    base: Some(&huggingface::IMAGE_TOWER),
};

const CLASSES: &[Is] =
    &[Text("SiglipImageProcessor"), Text("SiglipImageProcessorFast"), Text("SiglipImageProcessorPil")];
const OTHER: &str = "it asks for another image processor than SigLIP's";

pub(crate) const IMAGE: Table = Table {
    fields: &[
        ("image_processor_type", Only(CLASSES, OTHER)),
        ("feature_extractor_type", Only(CLASSES, OTHER)),
        ("processor_class", Only(&[Text("SiglipProcessor"), Text("Siglip2Processor")], OTHER)),
        ("default_to_square", Only(&[Yes], "it asks for another meaning of `size`")),
        ("do_center_crop", Only(&[No], "it asks for a crop")),
        ("crop_size", NoEffect("used with `do_center_crop` only, which is refused")),
        ("crop_pct", Only(&[Empty], "it asks for a crop")),
    ],
    base: Some(&processor::IMAGE),
};
