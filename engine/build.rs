//! The interpreter's version for `cfg`, and how the crate's own tests find its shared library.

use std::process::Command;

/// The loader of every ordinary program of the only platform that there is.
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    println!("cargo:rerun-if-changed=build.rs");
    let python = pyo3_build_config::get();
    let Some(libraries) = python.lib_dir() else { return };
    // An RPATH, not a RUNPATH: it holds for what libpython itself needs too.
    println!("cargo:rustc-link-arg=-Wl,--disable-new-dtags,-rpath,{libraries}");
    // A Python with a C library of its own: programs that embed it are started by its loader.
    if let Some(loader) = python.executable().and_then(loader_of).filter(|loader| loader != LOADER) {
        println!("cargo:rustc-link-arg=-Wl,--dynamic-linker,{loader},--allow-shlib-undefined");
    }
}

fn loader_of(program: &str) -> Option<String> {
    let said = Command::new("readelf").args(["-lW", program]).output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (_, rest) = said.split_once("program interpreter: ")?;
    Some(rest.split_once(']')?.0.to_owned())
}
