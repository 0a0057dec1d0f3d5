//! Without `nasm` the JPEG and AVIF codecs would build without SIMD, at half their speed and with no more than a warning.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let needs_nasm = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64" || arch == "x86");
    let has_nasm = Command::new("nasm").arg("-v").output().is_ok_and(|output| output.status.success());
    if needs_nasm && !has_nasm {
        println!(
            "cargo::error=`nasm` is missing: the image codecs would lose their SIMD code; scripts/setup installs it"
        );
    }
}
