//! Shapes, and which points they contain.

/// Shape of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Circle,
    Square,
    Triangle,
    Star,
    Heart,
    Cross,
    Ring,
    Diamond,
    Moon,
}

/// Corners of a five-pointed star, alternately outer and inner, clockwise from the top; `y` points down.
const STAR: [(f64, f64); 10] = [
    (0.0, -1.05),
    (0.26, -0.36),
    (1.0, -0.32),
    (0.42, 0.14),
    (0.62, 0.85),
    (0.0, 0.44),
    (-0.62, 0.85),
    (-0.42, 0.14),
    (-1.0, -0.32),
    (-0.26, -0.36),
];

const TRIANGLE: [(f64, f64); 3] = [(0.0, -0.95), (0.98, 0.75), (-0.98, 0.75)];

impl Shape {
    /// All shapes; the index is a shape's number.
    pub const ALL: [Shape; 9] = [
        Shape::Circle,
        Shape::Square,
        Shape::Triangle,
        Shape::Star,
        Shape::Heart,
        Shape::Cross,
        Shape::Ring,
        Shape::Diamond,
        Shape::Moon,
    ];

    /// Whether the shape contains a point; shapes fill about -1..1, `y` points down.
    pub fn contains(self, x: f64, y: f64) -> bool {
        match self {
            Shape::Circle => x * x + y * y <= 0.9 * 0.9,
            Shape::Square => x.abs() <= 0.8 && y.abs() <= 0.8,
            Shape::Triangle => in_polygon(&TRIANGLE, x, y),
            Shape::Star => in_polygon(&STAR, x, y),
            Shape::Heart => {
                // The sextic heart (x² + y² - 1)³ = x² y³, moved into the frame.
                let (x, y) = (x * 1.18, 0.14 - y * 1.18);
                let sum = x * x + y * y - 1.0;
                sum * sum * sum <= x * x * y * y * y
            }
            Shape::Cross => (x.abs() <= 0.3 && y.abs() <= 0.92) || (y.abs() <= 0.3 && x.abs() <= 0.92),
            Shape::Ring => (0.52 * 0.52..=0.95 * 0.95).contains(&(x * x + y * y)),
            Shape::Diamond => x.abs() / 0.66 + y.abs() <= 1.0,
            Shape::Moon => {
                let (u, v) = (x - 0.48, y + 0.12);
                x * x + y * y <= 0.98 * 0.98 && u * u + v * v > 0.78 * 0.78
            }
        }
    }
}

/// Whether a polygon contains a point, by the even-odd rule.
fn in_polygon(corners: &[(f64, f64)], x: f64, y: f64) -> bool {
    let mut inside = false;
    let mut before = corners[corners.len() - 1];
    for &corner in corners {
        if (corner.1 > y) != (before.1 > y) {
            let crossing = corner.0 + (y - corner.1) * (before.0 - corner.0) / (before.1 - corner.1);
            inside ^= x < crossing;
        }
        before = corner;
    }
    inside
}
