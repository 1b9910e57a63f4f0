//! The boundary types, in the wrappers that aya's `Pod` needs.
#![allow(unsafe_code, reason = "Pod is an unsafe trait")]

use aya::Pod;
use tap_common::{LedgerRow, SkbLayout, TargetConfig, TargetState};

/// [`TargetConfig`] as aya takes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct ConfigPod(pub(super) TargetConfig);

/// [`SkbLayout`] as aya takes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct LayoutPod(pub(super) SkbLayout);

/// [`TargetState`] as aya takes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct StatePod(pub(super) TargetState);

/// [`LedgerRow`] as aya gives it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct LedgerPod(pub(super) LedgerRow);

// SAFETY: repr(C), integers only, no padding (size and offsets are asserted in
// tap-common), and every bit pattern is a value.
unsafe impl Pod for ConfigPod {}
// SAFETY: as above.
unsafe impl Pod for LayoutPod {}
// SAFETY: as above.
unsafe impl Pod for StatePod {}
// SAFETY: as above.
unsafe impl Pod for LedgerPod {}
