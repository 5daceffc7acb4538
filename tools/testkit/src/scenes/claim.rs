//! Assertions of a sentence, and the scenes for which they are true.

use super::scene::{Background, Colour, Column, Content, Object, Pattern, Relation, Row, Scene, Size};
use super::shape::Shape;

/// What a sentence says of an object; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Described {
    pub shape: Option<Shape>,
    pub colour: Option<Colour>,
    pub size: Option<Size>,
}

/// Subject of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Only the background.
    Nothing,
    Single {
        object: Described,
        column: Option<Column>,
        row: Option<Row>,
    },
    Several {
        shape: Option<Shape>,
        colour: Option<Colour>,
        count: Option<u8>,
    },
    /// Without a relation, the order is open.
    Pair {
        first: Described,
        second: Described,
        relation: Option<Relation>,
    },
}

/// The assertions of one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub subject: Subject,
    pub ground: Option<Colour>,
    pub pattern: Option<Pattern>,
}

/// Number of values in a row of facts or claims: kind (0 single, 1 several, 2 pair), count, then shape, colour, size of
/// the first and of the second object, relation, column, row, colour and pattern of the background.
pub const FACTS: usize = 13;

/// Value of a claim that says nothing.
const SILENT: i8 = -1;
/// Value of a fact that does not apply to the scene.
const ABSENT: i8 = -2;

/// Returns a scene as numbers.
pub fn facts(scene: &Scene) -> [i8; FACTS] {
    let mut row = [ABSENT; FACTS];
    let of = |o: Object| [o.shape as i8, o.colour as i8, o.size as i8];
    match scene.content {
        Content::Single { object, column, row: place } => {
            row[..2].copy_from_slice(&[0, 1]);
            row[2..5].copy_from_slice(&of(object));
            row[9..11].copy_from_slice(&[column as i8, place as i8]);
        }
        Content::Several { shape, colour, count } => {
            row[..4].copy_from_slice(&[1, count as i8, shape as i8, colour as i8]);
        }
        Content::Pair { first, second, relation } => {
            row[0] = 2;
            row[2..5].copy_from_slice(&of(first));
            row[5..8].copy_from_slice(&of(second));
            row[8] = relation as i8;
        }
    }
    row[11..].copy_from_slice(&[scene.background.colour as i8, scene.background.pattern as i8]);
    row
}

impl Claim {
    /// Returns the claim as numbers, comparable with [`facts`], and whether the two objects may be swapped.
    pub fn row(&self) -> ([i8; FACTS], bool) {
        fn number<T>(value: Option<T>, of: impl Fn(T) -> i8) -> i8 {
            value.map_or(SILENT, of)
        }
        let of =
            |d: &Described| [number(d.shape, |s| s as i8), number(d.colour, |c| c as i8), number(d.size, |s| s as i8)];
        let mut row = [SILENT; FACTS];
        let mut either = false;
        match &self.subject {
            Subject::Nothing => {}
            Subject::Single { object, column, row: place } => {
                row[0] = 0;
                row[2..5].copy_from_slice(&of(object));
                row[9..11].copy_from_slice(&[number(*column, |c| c as i8), number(*place, |r| r as i8)]);
            }
            Subject::Several { shape, colour, count } => {
                row[..4].copy_from_slice(&[
                    1,
                    number(*count, |n| n as i8),
                    number(*shape, |s| s as i8),
                    number(*colour, |c| c as i8),
                ]);
            }
            Subject::Pair { first, second, relation } => {
                row[0] = 2;
                row[2..5].copy_from_slice(&of(first));
                row[5..8].copy_from_slice(&of(second));
                row[8] = number(*relation, |r| r as i8);
                either = relation.is_none();
            }
        }
        row[11..].copy_from_slice(&[number(self.ground, |c| c as i8), number(self.pattern, |p| p as i8)]);
        (row, either)
    }

    /// Whether the sentence could be called true of the scene, even as a poor description: "a star" of three stars, or
    /// of a star next to a circle. If not, it is plainly false.
    pub fn might_hold(&self, scene: &Scene) -> bool {
        let Background { colour, pattern } = scene.background;
        silent_or(self.ground, colour) && silent_or(self.pattern, pattern) && self.subject.might_hold(&scene.content)
    }
}

impl Subject {
    fn might_hold(&self, content: &Content) -> bool {
        match (self, content) {
            (Subject::Nothing, _) => true,
            (Subject::Single { object, column, row }, Content::Single { object: real, column: x, row: y }) => {
                object.fits(real) && silent_or(*column, *x) && silent_or(*row, *y)
            }
            (Subject::Single { object, .. }, Content::Several { shape, colour, .. }) => {
                silent_or(object.shape, *shape) && silent_or(object.colour, *colour)
            }
            (Subject::Single { object, .. }, Content::Pair { first, second, .. }) => {
                object.fits(first) || object.fits(second)
            }
            (Subject::Several { shape, colour, count }, Content::Several { shape: s, colour: c, count: n }) => {
                silent_or(*shape, *s) && silent_or(*colour, *c) && silent_or(*count, *n)
            }
            (Subject::Several { shape, colour, count }, Content::Pair { first, second, .. }) => {
                silent_or(*count, 2)
                    && [first, second].iter().all(|o| silent_or(*shape, o.shape) && silent_or(*colour, o.colour))
            }
            (Subject::Pair { first, second, relation }, Content::Pair { first: a, second: b, relation: real }) => {
                let ordered = first.fits(a) && second.fits(b) && silent_or(*relation, *real);
                ordered || (relation.is_none() && first.fits(b) && second.fits(a))
            }
            (Subject::Several { .. }, Content::Single { .. }) => false,
            (Subject::Pair { .. }, Content::Single { .. } | Content::Several { .. }) => false,
        }
    }
}

impl Described {
    fn fits(&self, object: &Object) -> bool {
        silent_or(self.shape, object.shape)
            && silent_or(self.colour, object.colour)
            && silent_or(self.size, object.size)
    }
}

fn silent_or<T: PartialEq>(said: Option<T>, real: T) -> bool {
    said.is_none_or(|said| said == real)
}
