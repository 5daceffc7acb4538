//! Every field of every table: what is obeyed is looked at, what has no effect has none, everything else is refused by
//! name with the remedy.

use super::tables::{self, Is, Rule, Table};
use super::*;
use crate::tokenizer::Published;

/// An object of a configuration file: a whole file, the pointer to the object, its table, what reads the file.
struct Object {
    file: Value,
    pointer: &'static str,
    table: &'static Table,
    read: fn(&Path, &Value) -> Result<Facts, Error>,
}

fn objects() -> Vec<Object> {
    use tables::{apple as a, huggingface as h, open_clip as o, pipeline as pl, processor as p, tokenizer as t};
    let native = json!({
        "model_cfg": {
            "embed_dim": 512,
            "vision_cfg": { "norm_kwargs": { "eps": 1e-5 } },
            "text_cfg": { "tokenizer_kwargs": {} },
        },
        "preprocess_cfg": { "size": 224 },
    });
    let mut timm = native.clone();
    timm["model_cfg"]["vision_cfg"] = json!({ "timm_model_name": "fastvit_mci0" });
    let apple = json!({ "embed_dim": 512, "image_cfg": {}, "text_cfg": {} });
    let model = json!({ "model_type": "clip", "text_config": {}, "vision_config": {} });
    let token = json!({ "tokenizer_class": "CLIPTokenizer", "bos_token": { "content": "<|startoftext|>" } });
    let image = json!({ "image_mean": [0.5, 0.5, 0.5], "size": { "shortest_edge": 224 }, "crop_size": 224 });

    let mut all = Vec::new();
    let mut add = |file: &Value, pointer, table, read: fn(&Path, &Value) -> Result<Facts, Error>| {
        all.push(Object { file: file.clone(), pointer, table, read });
    };
    add(&native, "", &o::FILE, open_clip::facts);
    add(&native["model_cfg"], "", &o::MODEL, open_clip::facts);
    add(&native, "/model_cfg", &o::MODEL, open_clip::facts);
    add(&native, "/model_cfg/vision_cfg", &o::VISION, open_clip::facts);
    add(&native, "/model_cfg/vision_cfg/norm_kwargs", &o::NORM, open_clip::facts);
    add(&timm, "/model_cfg/vision_cfg", &o::VISION_TIMM, open_clip::facts);
    add(&native, "/model_cfg/text_cfg", &o::TEXT, open_clip::facts);
    add(&native, "/model_cfg/text_cfg/tokenizer_kwargs", &o::TOKENIZER, open_clip::facts);
    let mut pieces = native["model_cfg"].clone();
    pieces["text_cfg"] = json!({ "hf_tokenizer_name": "facebook/xlm-v-base", "vocab_size": 901_629 });
    add(&pieces, "/text_cfg", &o::TEXT_PIECES, open_clip::facts);
    pieces["text_cfg"] = json!({ "hf_model_name": "xlm-roberta-base" });
    add(&pieces, "/text_cfg", &o::TEXT_TRANSFORMERS, open_clip::facts);
    add(&native, "/preprocess_cfg", &o::PREPROCESS, open_clip::facts);
    add(&apple, "", &a::FILE, apple::facts);
    add(&apple, "/image_cfg", &a::IMAGE, apple::facts);
    add(&apple, "/text_cfg", &a::TEXT, apple::facts);
    add(&model, "", &h::MODEL, huggingface::facts);
    add(&model, "/text_config", &h::TEXT, huggingface::facts);
    add(&model, "/vision_config", &h::VISION, huggingface::facts);
    add(&json!({ "text_config_dict": {} }), "/text_config_dict", &h::TEXT, huggingface::facts);
    let meta = json!({ "model_type": "metaclip_2", "text_config": {}, "vision_config": {} });
    add(&meta, "", &h::META_MODEL, huggingface::facts);
    add(&meta, "/text_config", &h::META_TEXT, huggingface::facts);
    add(&meta, "/vision_config", &h::META_VISION, huggingface::facts);
    add(&json!({ "model_type": "metaclip_2_text_model" }), "", &h::META_TEXT_ALONE, huggingface::facts);
    add(&json!({ "model_type": "metaclip_2_vision_model" }), "", &h::META_VISION_ALONE, huggingface::facts);
    add(&json!({ "model_type": "clip_text_model" }), "", &h::TEXT_ALONE, huggingface::facts);
    add(&json!({ "model_type": "clip_vision_model" }), "", &h::VISION_ALONE, huggingface::facts);
    add(&image, "", &p::IMAGE, processor::facts);
    add(&image, "/size", &p::SIZE, processor::facts);
    add(&json!({ "image_processor": image }), "", &p::FILE_OF_ALL, processor::facts);
    add(&json!({ "image_processor": image }), "/image_processor", &p::IMAGE, processor::facts);
    add(&token, "", &t::FIELDS, tokenizer::facts);
    add(&token, "/bos_token", &t::TOKEN, tokenizer::facts);
    let pieces = |path: &Path, file: &Value| Family::siglip(true, false).facts(path, file);
    add(&json!({ "tokenizer_class": "SiglipTokenizer" }), "", &tables::pieces::FIELDS, pieces);
    let whole = super::vocabulary::tokenizer_json();
    let check = |path: &Path, file: &Value| {
        pipeline::fields(path, file, &Published::new()).map(|()| Facts::new("the tokenizer"))
    };
    add(&whole, "", &pl::FILE, check);
    add(&whole, "/model", &pl::MODEL, check);
    add(&whole, "/added_tokens/0", &pl::ADDED, check);
    let steps: [(&str, &[(&str, Table)]); 6] = [
        ("/normalizer", pl::NORMALIZERS),
        ("/normalizer/normalizers/0", pl::NORMALIZERS),
        ("/normalizer/normalizers/1", pl::NORMALIZERS),
        ("/pre_tokenizer/pretokenizers/0", pl::PRE_TOKENIZERS),
        ("/pre_tokenizer/pretokenizers/1", pl::PRE_TOKENIZERS),
        ("/post_processor", pl::POST_PROCESSORS),
    ];
    for (pointer, tables) in steps {
        let kind = whole.pointer(pointer).unwrap()["type"].as_str().unwrap();
        add(&whole, pointer, &tables.iter().find(|(name, _)| *name == kind).unwrap().1, check);
    }
    add(&whole, "/normalizer/normalizers/1/pattern", &pl::PATTERN, check);
    all
}

impl Object {
    /// What the file says with this value in the object.
    fn with(&self, field: &str, value: Value) -> Result<String, String> {
        let mut file = self.file.clone();
        file.pointer_mut(self.pointer).unwrap()[field] = value;
        let facts = (self.read)(Path::new(PATH), &file);
        facts.map(|facts| format!("{facts:?}")).map_err(|error| error.to_string())
    }

    fn unchanged(&self) -> String {
        format!("{:?}", (self.read)(Path::new(PATH), &self.file).unwrap())
    }

    /// The full name of a field, as messages have it.
    fn name(&self, field: &str) -> String {
        format!("{}/{field}", self.pointer).trim_start_matches('/').replace('/', ".")
    }
}

/// Every field of a table and its base.
fn fields(table: &Table) -> Vec<(&'static str, Rule)> {
    let base = table.base.map(fields).unwrap_or_default();
    let own = |name: &str| table.fields.iter().any(|(own, _)| *own == name);
    table.fields.iter().copied().chain(base.into_iter().filter(|(name, _)| !own(name))).collect()
}

/// Values that no field has.
fn odd() -> [Value; 5] {
    [json!({ "?": -1.5 }), json!([[]]), json!(-7.25), json!("odd"), json!(true)]
}

#[test]
fn obeyed_fields_are_looked_at() {
    for object in objects() {
        for (field, _) in fields(object.table).into_iter().filter(|(_, rule)| matches!(rule, Rule::Obeyed)) {
            for value in &odd()[..2] {
                let error = object.with(field, value.clone()).expect_err(&object.name(field));
                let name = object.name(field);
                assert!(
                    error.starts_with(&format!("{PATH}: `{name}")) && error.contains("--config"),
                    "{name}: {error}"
                );
            }
        }
    }
}

#[test]
fn fields_without_effect_have_none() {
    for object in objects() {
        for (field, rule) in fields(object.table) {
            let Rule::NoEffect(why) = rule else { continue };
            assert!(!why.is_empty());
            for value in odd() {
                assert_eq!(object.with(field, value).as_ref(), Ok(&object.unchanged()), "{}", object.name(field));
            }
        }
    }
}

#[test]
fn limited_fields_are_refused_by_name_with_other_values() {
    for object in objects() {
        for (field, rule) in fields(object.table) {
            let Rule::Only(values, _) = rule else { continue };
            let name = object.name(field);
            for is in values {
                let value = match is {
                    Is::No => json!(false),
                    Is::Yes => json!(true),
                    Is::Text(text) => json!(text),
                    Is::Number(number) => json!(number),
                    Is::Empty => json!([]),
                };
                assert_eq!(object.with(field, value).as_ref(), Ok(&object.unchanged()), "{name} {is:?}");
            }
            for value in odd().into_iter().filter(|value| !values.iter().any(|is| is.matches(value))) {
                let error = object.with(field, value).expect_err(&name);
                let found = format!("{PATH}: `{name}` is ");
                let refused = error.contains("not supported") || error.contains("is not a string");
                assert!(error.starts_with(&found) && refused, "{name}: {error}");
                let remedy =
                    "correct a copy of it and give the copy, or for several files a folder of copies, with --config";
                assert!(error.ends_with(remedy), "{error}");
            }
        }
    }
}

#[test]
fn unknown_fields_are_refused_by_name() {
    for object in objects() {
        for value in odd() {
            let error = object.with("brand_new", value).expect_err(object.pointer);
            let name = object.name("brand_new");
            assert!(error.starts_with(&format!("{PATH}: `{name}` is ")), "{error}");
            let remedy = "a field that this version does not know and that may change embeddings; update clippie-rs or, \
                          if you know that it changes none, remove it from a copy of the file and give the copy, or \
                          for several files a folder of copies, with --config";
            assert!(error.ends_with(remedy), "{error}");
        }
        // An absent field, as Python has it.
        assert_eq!(object.with("brand_new", Value::Null), Ok(object.unchanged()));
        // Names and values from a file cannot flood a message or write to a terminal.
        let error = object.with(&"\u{1b}x".repeat(1000), json!("y".repeat(1000))).unwrap_err();
        assert!(error.len() < 800 && !error.contains(char::is_control), "{error}");
    }
}

#[test]
fn no_table_lists_a_field_twice() {
    for object in objects() {
        let mut names: Vec<_> = object.table.fields.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}

/// The `config.json` of openai/clip-vit-base-patch32, which an early transformers wrote with every field it had.
#[test]
fn published_files_with_every_field_are_accepted() {
    let tower = |more: Value| {
        let mut all = json!({
            "_name_or_path": "", "add_cross_attention": false, "architectures": null, "attention_dropout": 0.0,
            "bad_words_ids": null, "bos_token_id": 0, "chunk_size_feed_forward": 0,
            "cross_attention_hidden_size": null, "decoder_start_token_id": null, "diversity_penalty": 0.0,
            "do_sample": false, "dropout": 0.0, "early_stopping": false, "encoder_no_repeat_ngram_size": 0,
            "eos_token_id": 2, "finetuning_task": null, "forced_bos_token_id": null, "forced_eos_token_id": null,
            "hidden_act": "quick_gelu", "id2label": { "0": "LABEL_0", "1": "LABEL_1" }, "initializer_factor": 1.0,
            "initializer_range": 0.02, "is_decoder": false, "is_encoder_decoder": false,
            "label2id": { "LABEL_0": 0, "LABEL_1": 1 }, "layer_norm_eps": 1e-05, "length_penalty": 1.0,
        });
        let rest = json!({
            "max_length": 20, "min_length": 0, "no_repeat_ngram_size": 0, "num_beam_groups": 1, "num_beams": 1,
            "num_hidden_layers": 12, "num_return_sequences": 1, "output_attentions": false,
            "output_hidden_states": false, "output_scores": false, "pad_token_id": 1, "prefix": null,
            "problem_type": null, "projection_dim": 512, "pruned_heads": {}, "remove_invalid_values": false,
            "repetition_penalty": 1.0, "return_dict": true, "return_dict_in_generate": false, "sep_token_id": null,
            "task_specific_params": null, "temperature": 1.0, "tie_encoder_decoder": false,
            "tie_word_embeddings": true, "tokenizer_class": null, "top_k": 50, "top_p": 1.0, "torch_dtype": null,
            "torchscript": false, "transformers_version": "4.16.0.dev0", "typical_p": 1.0, "use_bfloat16": false,
        });
        for more in [rest, more] {
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        all
    };
    let facts = hf(json!({
        "_name_or_path": "clip-vit-base-patch32/", "architectures": ["CLIPModel"], "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592, "model_type": "clip", "projection_dim": 512,
        "text_config": tower(json!({
            "hidden_size": 512, "intermediate_size": 2048, "max_position_embeddings": 77,
            "model_type": "clip_text_model", "num_attention_heads": 8, "vocab_size": 49408,
        })),
        "text_config_dict": null, "transformers_version": null,
        "vision_config": tower(json!({
            "hidden_size": 768, "image_size": 224, "intermediate_size": 3072, "model_type": "clip_vision_model",
            "num_attention_heads": 12, "num_channels": 3, "patch_size": 32,
        })),
        "vision_config_dict": null,
    }))
    .unwrap();
    assert!(facts.agrees(&draft()));
    assert_eq!(facts.pooling, None);

    let name = |text: &str| {
        json!({
            "__type": "AddedToken", "content": text, "lstrip": false, "normalized": true, "rstrip": false,
            "single_word": false,
        })
    };
    let facts = tokenizer(json!({
        "unk_token": name("<|endoftext|>"), "bos_token": name("<|startoftext|>"), "eos_token": name("<|endoftext|>"),
        "pad_token": "<|endoftext|>", "add_prefix_space": false, "errors": "replace", "do_lower_case": true,
        "name_or_path": "openai/clip-vit-base-patch32", "model_max_length": 77,
        "special_tokens_map_file": "./special_tokens_map.json", "tokenizer_class": "CLIPTokenizer",
        "clean_up_tokenization_spaces": true, "processor_class": "CLIPProcessor",
        "added_tokens_decoder": { "49406": name("<|startoftext|>"), "49407": name("<|endoftext|>") },
    }))
    .unwrap();
    assert!(facts.agrees(&draft()));
}

fn tokenizer(value: Value) -> Result<Facts, Error> {
    super::super::tokenizer::facts(Path::new("tokenizer_config.json"), &value)
}

#[test]
fn the_tokenizer_must_be_clips() {
    for (config, hint) in [
        (json!({ "tokenizer_class": "XLMRobertaTokenizer" }), "`tokenizer_class` is \"XLMRobertaTokenizer\""),
        (json!({ "bos_token": "<s>" }), "`bos_token` is `<s>`; that of CLIP's tokenizer is `<|startoftext|>`"),
        (json!({ "eos_token": { "content": "</s>" } }), "`eos_token` is `</s>`"),
        (json!({ "eos_token": { "special": true } }), "`eos_token` holds a token without text"),
        (json!({ "padding_side": "left" }), "`padding_side` is \"left\""),
        (json!({ "do_lower_case": false }), "`do_lower_case` is false"),
        (json!({ "added_tokens_decoder": { "49407": { "content": "<x>" } } }), "gives the id 49407 to `<x>`"),
    ] {
        let error = text(tokenizer(config));
        assert!(error.contains(hint), "{error}");
    }
    // Texts would be cut earlier; the usual number for "no limit" has 31 digits.
    let short = tokenizer(json!({ "model_max_length": 32 })).unwrap();
    let error = text(short.check(Path::new("m.pt"), &draft()));
    assert!(error.contains("model_max_length is 32, but the tensors of m.pt say 77"), "{error}");
    for long in [json!(77), json!(512), json!(1e30)] {
        assert!(tokenizer(json!({ "model_max_length": long })).unwrap().agrees(&draft()));
    }
    // Added tokens are no part of ordinary texts.
    let added =
        json!({ "added_tokens_decoder": { "49408": { "content": "<cat>" } }, "extra_special_tokens": ["<dog>"] });
    assert!(tokenizer(added).unwrap().agrees(&draft()));
}

#[test]
fn the_end_of_text_is_where_transformers_pools() {
    let pooling = |vocab_size: usize, end: usize| {
        hf(json!({ "text_config": { "vocab_size": vocab_size, "eos_token_id": end } })).map(|facts| facts.pooling)
    };
    let id = Some(TextPooling::Id(49407));
    for (vocab_size, end, expected) in
        [(49408, 2, None), (49408, 49407, None), (49411, 2, None), (49411, 49407, id), (64, 63, None)]
    {
        assert_eq!(pooling(vocab_size, end).unwrap(), expected, "{vocab_size} {end}");
    }
    for (vocab_size, end) in [(49408, 0), (49408, 49406), (49408, 49408), (49411, 49410), (64, 7), (64, 64)] {
        let error = text(pooling(vocab_size, end));
        assert!(error.contains(&format!("`text_config.eos_token_id` is {end}")), "{error}");
    }
}

#[test]
fn the_cleaning_of_texts_is_that_of_open_clip() {
    let clean = |kwargs: Value| {
        oc(json!({ "vision_cfg": {}, "text_cfg": { "tokenizer_kwargs": kwargs } })).map(|facts| facts.clean.unwrap())
    };
    for (kwargs, expected) in [
        (json!(null), Clean::Lower),
        (json!({}), Clean::Lower),
        (json!({ "clean": "lower" }), Clean::Lower),
        (json!({ "clean": "whitespace" }), Clean::Whitespace),
        (json!({ "clean": "canonicalize", "strip_sep_token": false }), Clean::Canonicalize),
    ] {
        assert_eq!(clean(kwargs).unwrap(), expected);
    }
    let error = text(clean(json!({ "clean": "fancy" })));
    assert!(error.contains("`text_cfg.tokenizer_kwargs.clean` is `fancy`; `lower`, `whitespace` and"), "{error}");
}

#[test]
fn the_end_of_text_of_open_clip_is_clips() {
    let text_cfg = |text_cfg: Value| oc(json!({ "vision_cfg": {}, "text_cfg": text_cfg }));
    assert!(text_cfg(json!({ "pool_type": "eos", "eos_id": 49407 })).is_ok());
    // Not looked at by `argmax`.
    assert!(text_cfg(json!({ "pool_type": "argmax", "eos_id": 5 })).is_ok());
    for cfg in [json!({ "pool_type": "eos" }), json!({ "pool_type": "eos", "eos_id": 1 })] {
        let error = text(text_cfg(cfg));
        assert!(error.contains("`text_cfg.eos_id` is "), "{error}");
    }
    assert!(text(text_cfg(json!({ "pool_type": "last" }))).contains("`text_cfg.pool_type` is `last`"));
}

#[test]
fn timm_decides_what_its_names_decide() {
    let vision = |more: Value| {
        let mut vision = json!({ "timm_model_name": "vit_base_mci_224", "timm_pool": "token" });
        vision.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        oc(json!({ "quick_gelu": true, "vision_cfg": vision, "text_cfg": {} }))
    };
    let facts = vision(json!({ "layers": 3, "patch_size": null, "norm_kwargs": { "eps": 1.0 } })).unwrap();
    assert_eq!((facts.image.activation, facts.image.norm_eps), (Some(Activation::Gelu), None));
    assert_eq!(facts.text.activation, Some(Activation::QuickGelu));
    let error = text(vision(json!({ "timm_proj": "linear" })));
    assert!(error.contains("`vision_cfg.timm_proj` is \"linear\", which is not supported"), "{error}");
    for pool in [json!("avg"), json!(null)] {
        let error = text(vision(json!({ "timm_pool": pool })));
        assert!(
            error.contains("`vision_cfg.timm_pool` is `avg`; vit_base_mci_224 is supported with `token`"),
            "{error}"
        );
    }
}

#[test]
fn apples_layers_have_the_same_sizes() {
    let heads = |value: Value| {
        let config = json!({ "image_cfg": {}, "text_cfg": { "n_heads_per_layer": value } });
        apple::facts(Path::new(PATH), &config).map(|facts| facts.text.heads)
    };
    assert_eq!(heads(json!(8)).unwrap(), Some(Heads::Count(8)));
    assert_eq!(heads(json!([8, 8, 8])).unwrap(), Some(Heads::Count(8)));
    for bad in [json!([8, 4]), json!([]), json!(8.5), json!(0), json!("8"), json!(1e300)] {
        let result = heads(bad.clone());
        // A huge count contradicts any width later.
        assert!(result.is_err() || bad == json!(1e300), "{bad}");
    }
    let config = json!({ "image_cfg": {}, "text_cfg": { "dim": usize::MAX, "ffn_multiplier_per_layer": 1e300 } });
    assert!(!apple::facts(Path::new(PATH), &config).unwrap().agrees(&draft()));
}
