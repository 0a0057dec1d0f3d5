//! Randomness of the operating system.

/// Fills `bytes` with random bytes, in the shape `stowage_core` asks for.
pub(crate) fn fill(bytes: &mut [u8]) {
    // Fails only on a system without a random source, where no key or id may be made at all.
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}
