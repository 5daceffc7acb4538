//! The names of languages in FLORES-200, by their codes of ISO 639-1.

/// Code and name, by code.
const LANGUAGES: [(&str, &str); 50] = [
    ("ar", "arb_Arab"),
    ("bg", "bul_Cyrl"),
    ("bn", "ben_Beng"),
    ("ca", "cat_Latn"),
    ("cs", "ces_Latn"),
    ("da", "dan_Latn"),
    ("de", "deu_Latn"),
    ("el", "ell_Grek"),
    ("en", "eng_Latn"),
    ("es", "spa_Latn"),
    ("et", "est_Latn"),
    ("eu", "eus_Latn"),
    ("fa", "pes_Arab"),
    ("fi", "fin_Latn"),
    ("fr", "fra_Latn"),
    ("gl", "glg_Latn"),
    ("he", "heb_Hebr"),
    ("hi", "hin_Deva"),
    ("hr", "hrv_Latn"),
    ("hu", "hun_Latn"),
    ("id", "ind_Latn"),
    ("it", "ita_Latn"),
    ("ja", "jpn_Jpan"),
    ("ko", "kor_Hang"),
    ("lt", "lit_Latn"),
    ("lv", "lvs_Latn"),
    ("mi", "mri_Latn"),
    ("ms", "zsm_Latn"),
    ("nb", "nob_Latn"),
    ("nl", "nld_Latn"),
    ("nn", "nno_Latn"),
    ("no", "nob_Latn"),
    ("pl", "pol_Latn"),
    ("pt", "por_Latn"),
    ("ro", "ron_Latn"),
    ("ru", "rus_Cyrl"),
    ("sk", "slk_Latn"),
    ("sl", "slv_Latn"),
    ("sr", "srp_Cyrl"),
    ("sv", "swe_Latn"),
    ("sw", "swh_Latn"),
    ("ta", "tam_Taml"),
    ("te", "tel_Telu"),
    ("th", "tha_Thai"),
    ("tl", "tgl_Latn"),
    ("tr", "tur_Latn"),
    ("uk", "ukr_Cyrl"),
    ("ur", "urd_Arab"),
    ("vi", "vie_Latn"),
    ("zh", "zho_Hans"),
];

/// The name of a language that is given by its name or its code; `None` for anything else.
pub(super) fn name(language: &str) -> Option<&str> {
    let is_name = language.len() == 8
        && language.bytes().enumerate().all(|(at, byte)| match at {
            3 => byte == b'_',
            4 => byte.is_ascii_uppercase(),
            _ => byte.is_ascii_lowercase(),
        });
    if is_name {
        return Some(language);
    }
    LANGUAGES.iter().find(|(code, _)| *code == language).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_have_a_name_and_most_a_code() {
        assert_eq!((name("de"), name("zho_Hant"), name("no")), (Some("deu_Latn"), Some("zho_Hant"), Some("nob_Latn")));
        for wrong in ["", "german", "DE", "<s>", "</s>", "<pad>", "deu-Latn", "deu_latn", "xx"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
        assert!(LANGUAGES.is_sorted() && LANGUAGES.iter().all(|(_, flores)| name(flores) == Some(*flores)));
    }
}
