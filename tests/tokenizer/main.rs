//! Token ids against those of the reference libraries, and the time that crafted texts take.

mod clip;
mod sentencepiece;
