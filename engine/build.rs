//! The interpreter's version for `cfg`, how the crate's own tests find its shared library, and the engine's Python
//! files, put together and compiled: to compile them at every import takes longer than the rest of it.

use std::path::Path;
use std::process::Command;

/// The loader of every ordinary program of the only platform that there is.
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    println!("cargo:rerun-if-changed=build.rs");
    let python = pyo3_build_config::get();
    let source = engine_source();
    compile(python.executable(), &source);
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

/// Writes the files of the list as one, and returns its path.
fn engine_source() -> String {
    println!("cargo:rerun-if-changed=src/python");
    let read = |name: &str| {
        let path = Path::new("src/python").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let files: Vec<String> = read("files.txt").lines().map(read).collect();
    let path = format!("{}/engine.py", std::env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    std::fs::write(&path, files.join("\n\n")).expect("OUT_DIR can be written");
    path
}

/// Compiles it beside it. Where no Python can be run, an empty file says so, and it is compiled when it is needed.
fn compile(executable: Option<&str>, source: &str) {
    const PROGRAM: &str = r#"
import importlib.util, marshal, sys
with open(sys.argv[1], encoding="utf-8") as file:
    code = compile(file.read(), "<torpor engine>", "exec", 0, True, 2)
sys.stdout.buffer.write(importlib.util.MAGIC_NUMBER + marshal.dumps(code))
"#;
    let run = |python| Command::new(python).args(["-I", "-c", PROGRAM, source]).output().ok();
    let compiled = executable.and_then(run).filter(|done| done.status.success());
    let target = Path::new(source).with_extension("pyc");
    std::fs::write(target, compiled.map_or(Vec::new(), |done| done.stdout)).expect("OUT_DIR can be written");
}
