//! Builds the C part into the library.

fn main() {
    println!("cargo:rerun-if-changed=core");
    cc::Build::new()
        .file("core/orbit.c")
        .include("core")
        .warnings_into_errors(true)
        .compile("orbit");
}
