//! The tensors beside a matrix in quads: the scales and sums of its columns, the factors of its inputs.
//!
//! They are plain vectors, so what they are shows in names alone: `X.scales`, `X.sums` and `X.gains` belong to `X.weight`,
//! if that is in quads. `weights/README.md` says which numbers are possible. Opening a file reads none of them.

use super::format::{Dtype, Layout};
use super::header::TensorEntry;
use super::quads;
use super::read::{WeightsFile, range};

/// What a tensor has for a matrix in quads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Scales,
    Sums,
    Gains,
}

impl WeightsFile {
    /// Whether a tensor beside a matrix in quads has a number that no such tensor has. The matrix itself is not read.
    pub(super) fn is_impossible(&self, entry: &TensorEntry) -> bool {
        let Some((role, matrix)) = self.beside(entry) else { return false };
        let &[k, n] = matrix.spec.shape.as_slice() else { return false };
        let numbers = self.map().elements::<f32>(range(entry));
        match role {
            Role::Scales => !quads::are_scales(numbers, n),
            Role::Sums => !quads::could_be_sums(numbers, k, n),
            Role::Gains => !numbers.iter().all(|gain| gain.is_finite()),
        }
    }

    /// Whether a tensor states other sums than the columns of its matrix have, which this reads.
    pub(super) fn has_wrong_sums(&self, entry: &TensorEntry) -> bool {
        let Some((Role::Sums, matrix)) = self.beside(entry) else { return false };
        let Some(&k) = matrix.spec.shape.first() else { return false };
        !quads::are_sums(self.map().elements::<f32>(range(entry)), self.map().elements::<i8>(range(matrix)), k)
    }

    /// The matrix in quads that a tensor belongs to, and what it has for it.
    fn beside(&self, entry: &TensorEntry) -> Option<(Role, &TensorEntry)> {
        let (role, matrix) = role(&entry.spec.name)?;
        let matrix = self.find(&matrix)?;
        (matrix.spec.layout == Layout::Quads16 && entry.spec.dtype == Dtype::F32).then_some((role, matrix))
    }
}

/// What a tensor of this name has for a matrix in quads, and the name of the matrix, if there is one.
fn role(name: &str) -> Option<(Role, String)> {
    let (stem, part) = name.rsplit_once('.')?;
    let role = match part {
        "scales" => Role::Scales,
        "sums" => Role::Sums,
        "gains" => Role::Gains,
        _ => return None,
    };
    Some((role, format!("{stem}.weight")))
}

/// The name of the matrix that a tensor of this name is beside, if that is in quads.
pub(super) fn matrix_of(name: &str) -> Option<String> {
    role(name).map(|(_, matrix)| matrix)
}
