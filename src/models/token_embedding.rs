//! The input of a text tower: token embeddings plus learned positions.

use super::Error;
use super::scope::Scope;
use crate::weights::{TableView, TensorView};

/// `V` token ids, `C` positions, `D` channels.
pub(super) struct TokenEmbedding {
    token: TableView,     // [V, D]
    position: TensorView, // [C, D]
    width: usize,
    pad_id: u32,
}

impl TokenEmbedding {
    pub(super) fn load(
        scope: &mut Scope<'_>,
        vocab_size: usize,
        context_length: usize,
        width: usize,
        pad_id: u32,
    ) -> Result<Self, Error> {
        Ok(TokenEmbedding {
            token: scope.table("token_embedding", vocab_size, width)?,
            position: scope.rows("position", &[context_length, width])?,
            width,
            pad_id,
        })
    }

    /// The ids of a text without padding.
    pub(super) fn tokens<'a>(&self, ids: &'a [u32]) -> impl Iterator<Item = u32> + use<'a> {
        let pad_id = self.pad_id;
        ids.iter().copied().filter(move |&id| id != pad_id)
    }

    /// Writes the rows of a text to `out [tokens, D]`; rows after its last id get the padding id.
    pub(super) fn write(&self, ids: impl Iterator<Item = u32>, out: &mut [f32]) {
        let ids = ids.chain(std::iter::repeat(self.pad_id));
        let rows = out.chunks_exact_mut(self.width).zip(ids).zip(self.position.chunks_exact(self.width));
        for ((row, id), position) in rows {
            self.token.read(id as usize, row);
            for (x, p) in row.iter_mut().zip(position) {
                *x += p;
            }
        }
    }
}
