fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    // One library for each minor version of Python, so that a program cannot load the wrong one unseen.
    let minor = pyo3_build_config::get().version().minor;
    println!("cargo:rustc-env=TORPOR_PYTHON_MINOR={minor}");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libtorpor-3.{minor}.so");
}
