fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libtorpor_store.so");
}
