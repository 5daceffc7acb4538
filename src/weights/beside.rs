//! The tensors beside a matrix: the factors of its inputs and, if it is in quads, the scales and sums of its columns.
//!
//! They are plain vectors, so what they are shows in names alone: `X.scales`, `X.sums` and `X.gains` belong to `X.weight`,
//! if that is in quads, `X.gains` also if it is of halves. `weights/README.md` says which numbers are possible. Opening a file reads none of them.

use super::format::{Dtype, Layout, TensorSpec};
use super::header::TensorEntry;
use super::quads;
use super::read::{WeightsFile, range};

/// What a tensor has for a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Scales,
    Sums,
    Gains,
}

impl WeightsFile {
    /// Whether a tensor beside a matrix has a number that no such tensor has. The matrix itself is not read.
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

    fn beside(&self, entry: &TensorEntry) -> Option<(Role, &TensorEntry)> {
        beside(&entry.spec, |name| self.find(name))
    }
}

/// What a tensor has for the matrix that it is beside, and that matrix, if there is one. `find` finds tensors by their names.
pub(super) fn beside<'a>(
    spec: &TensorSpec,
    find: impl Fn(&str) -> Option<&'a TensorEntry>,
) -> Option<(Role, &'a TensorEntry)> {
    let (role, matrix) = role(&spec.name)?;
    let matrix = find(&matrix)?;
    let fits = match (matrix.spec.layout, matrix.spec.dtype) {
        (Layout::Quads16, _) => true,
        (Layout::Panels16, Dtype::F16) => role == Role::Gains,
        _ => false,
    };
    (fits && spec.dtype == Dtype::F32).then_some((role, matrix))
}

/// What a tensor of this name has for a matrix, and the name of the matrix, if there is one.
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

#[cfg(test)]
mod tests {
    use super::super::error::{Fault, Reason};
    use super::super::format::Tower;
    use super::super::hash;
    use super::super::in_use::Refusal;
    use super::super::pack::pack_in_out;
    use super::super::tests::meta;
    use super::super::write::Writer;
    use super::*;

    const K: usize = 6;
    const N: usize = 18;

    /// A file with a matrix in quads and what lies beside it, and its path.
    fn written(folder: &std::path::Path) -> std::path::PathBuf {
        let path = folder.join("q.clippie");
        let spec =
            |name: &str, dtype, layout, shape: &[usize]| TensorSpec::new(name, Tower::Text, dtype, layout, shape);
        let specs = vec![
            spec("text.a.weight", Dtype::I8, Layout::Quads16, &[K, N]),
            spec("text.a.scales", Dtype::F32, Layout::Panels16, &[N]),
            spec("text.a.sums", Dtype::F32, Layout::Panels16, &[N]),
            spec("text.a.gains", Dtype::F32, Layout::Rows, &[K]),
            // Not beside a matrix.
            spec("text.b.scales", Dtype::F32, Layout::Rows, &[2]),
            spec("text.c.weight", Dtype::F16, Layout::Panels16, &[2, N]),
            spec("text.c.gains", Dtype::F32, Layout::Rows, &[2]),
            // Not beside a matrix in quads.
            spec("text.c.scales", Dtype::F32, Layout::Rows, &[2]),
            // Beside a matrix that contains them.
            spec("text.d.weight", Dtype::F32, Layout::Panels16, &[2, N]),
            spec("text.d.gains", Dtype::F32, Layout::Rows, &[2]),
        ];
        let matrix: Vec<f32> = (0..K * N).map(|i| (i as f32 * 0.3).sin()).collect();
        let mut integers = vec![0; quads::stored_len(K, N).unwrap()];
        let columns = quads::store(&pack_in_out(&matrix, K, N), K, N, &mut integers);
        let mut writer = Writer::create(&path, meta(), specs).unwrap();
        let mut impossible = integers.clone();
        impossible[3] = -128;
        let refused = writer.write_integers("text.a.weight", &impossible).unwrap_err();
        assert!(matches!(refused.reason(), Reason::Unwritable(Fault::NotQuads(_))), "{refused}");
        writer.write_integers("text.a.weight", &integers).unwrap();
        writer.write("text.a.scales", &columns.scales).unwrap();
        writer.write("text.a.sums", &columns.sums).unwrap();
        writer.write("text.a.gains", &[0.0, -1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let floats = pack_in_out(&matrix[..2 * N].iter().map(|x| x.signum()).collect::<Vec<_>>(), 2, N);
        writer.write("text.b.scales", &[-1.0, f32::NAN]).unwrap();
        writer.write("text.c.weight", &floats).unwrap();
        writer.write("text.c.gains", &[3.0, 0.5]).unwrap();
        writer.write("text.c.scales", &[f32::NAN, 2.0]).unwrap();
        writer.write("text.d.weight", &floats).unwrap();
        writer.write("text.d.gains", &[f32::NAN, 2.0]).unwrap();
        writer.finish().unwrap();
        path
    }

    /// The file with other bytes of a tensor from `at` on, whose checksum is that of these bytes.
    fn edited(path: &std::path::Path, name: &str, at: usize, edit: &[u8]) -> WeightsFile {
        let mut bytes = std::fs::read(path).unwrap();
        let mut header = WeightsFile::open(path).unwrap().header().clone();
        let entry = header.tensors.iter_mut().find(|entry| entry.spec.name == name).unwrap();
        let range = range(entry);
        bytes[range.start + at..][..edit.len()].copy_from_slice(edit);
        entry.sha256 = hash::sha256(&bytes[range]);
        let head = header.encode().unwrap();
        bytes[..head.len()].copy_from_slice(&head);
        WeightsFile::from_bytes(bytes, "q.clippie").unwrap()
    }

    #[test]
    fn a_sound_file_is_used_and_its_numbers_are_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = WeightsFile::open(&written(folder.path())).unwrap();
        assert!(file.verify().unwrap().is_intact());
        assert_eq!(file.header().precision().name(), "int8");
        assert_eq!(file.header().towers()[0].parameters, (K * N + 2 + (2 * N + 2) + (2 * N + 2)) as u64);
        let entry = &file.header().tensors[0];
        assert_eq!(entry.bytes.end - entry.bytes.start, 2 * 2 * 64);
        assert_eq!(edited(file.path(), "text.a.sums", 0, &[]).during(Tower::Text, || 7), Ok(7));
        let refused = file.tensor_of::<i8>("text.a.weight", Layout::Quads16, &[K, 17]).unwrap_err().to_string();
        assert!(refused.contains("i8 quads16 [6, 18]") && refused.contains("i8 quads16 [6, 17]"), "{refused}");
    }

    #[test]
    fn impossible_numbers_are_damage_and_refused_at_first_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let all = [0.0, -0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX];
        let scales = all.map(|scale| ("text.a.scales", scale));
        let others = [("text.a.sums", f32::NAN), ("text.a.sums", 0.5), ("text.a.sums", 1e6)];
        let gains = ["text.a.gains", "text.c.gains"]
            .into_iter()
            .flat_map(|name| [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(|number| (name, number)));
        for (name, number) in scales.into_iter().chain(others).chain(gains) {
            let file = edited(&path, name, 4, &number.to_le_bytes());
            assert_eq!(file.during(Tower::Text, || 7), Err(Refusal::Damaged(name.to_owned())), "{name} {number}");
            assert_eq!(file.verify().unwrap().damaged, [name], "{number}");
            let message = file.error(Refusal::Damaged(name.to_owned()).into()).to_string();
            assert!(message.contains(name) && message.contains("convert --force"), "{message}");
        }
        // A scale where there is no column.
        let file = edited(&path, "text.a.scales", 4 * N, &1f32.to_le_bytes());
        assert_eq!(file.verify().unwrap().damaged, ["text.a.scales"]);
    }

    #[test]
    fn integers_that_no_writer_stores_and_other_sums_are_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        // -128 also changes the sum; so does another integer, whose matrix is a possible one.
        let damaged = |name, at, edit: &[u8]| edited(&path, name, at, edit).verify().unwrap().damaged;
        assert_eq!(damaged("text.a.weight", 0, &[0x80]), ["text.a.weight", "text.a.sums"]);
        assert_eq!(damaged("text.a.weight", 1, &[11]), ["text.a.sums"]);
        assert_eq!(damaged("text.a.weight", 66, &[1]), ["text.a.weight", "text.a.sums"], "no such input");
        assert_eq!(damaged("text.a.sums", 0, &1f32.to_le_bytes()), ["text.a.sums"]);
        assert_eq!(damaged("text.a.gains", 0, &9f32.to_le_bytes()), [""; 0]);
        assert_eq!(damaged("text.b.scales", 0, &0f32.to_le_bytes()), [""; 0]);
    }

    #[test]
    fn names_show_what_belongs_to_a_matrix() {
        assert_eq!(role("text.a.scales"), Some((Role::Scales, "text.a.weight".into())));
        assert_eq!(role("text.a.gains").map(|(role, _)| role), Some(Role::Gains));
        assert_eq!((role("scales"), role("text.a.scale"), role("")), (None, None, None));
    }
}
