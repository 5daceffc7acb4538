//! Filters of a decoded frame, in their order: deblocking, directional enhancement, upscaling, restoration (sections 7.14 to
//! 7.17).

mod cdef;
mod deblock;
mod direction;
mod restoration;
mod self_guided;
mod superres;
mod wiener;

pub use cdef::{Cdef, cdef};
pub use deblock::{Cell, Edges, deblock};
pub use restoration::{Unit, Units, restore, units_across};
pub use superres::upscale;
