//! The bits of a binary16.

/// The bits of an IEEE 754 binary16, as files hold them. (`half::f16` is no `Pod` without a further dependency.)
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half(pub u16);

// SAFETY: `Half` is `repr(transparent)` over u16; every bit pattern, all zeros included, is a valid value.
unsafe impl bytemuck::Zeroable for Half {}
// SAFETY: as above; `Half` is Copy, 'static and holds no padding, pointers or interior mutability.
unsafe impl bytemuck::Pod for Half {}
