//! Generates the Rust code of every `.proto` anew and compares it with what is committed in `src/gen`.

use std::path::Path;
use std::{env, fs};

const PROTOS: [&str; 3] = [
    "deviceplugin_v1beta1.proto",
    "pluginregistration_v1.proto",
    "podresources_v1.proto",
];

const HOW_TO_ACCEPT: &str =
    "`proto/src/gen` has to be what `proto/proto` generates; accept what it generates now with

    UPDATE_GENERATED=1 cargo test -p sriovdp-proto
";

#[test]
fn committed_code_is_what_the_proto_files_generate() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed_dir = crate_dir.join("src/gen");
    let fresh = tempfile::tempdir().unwrap();
    generate(&crate_dir.join("proto"), fresh.path());

    let generated = names_in(fresh.path());
    if env::var_os("UPDATE_GENERATED").is_some() {
        for name in &generated {
            fs::copy(fresh.path().join(name), committed_dir.join(name)).unwrap();
        }
    }

    assert_eq!(names_in(&committed_dir), generated, "{HOW_TO_ACCEPT}");
    for name in generated {
        let expected = fs::read_to_string(fresh.path().join(&name)).unwrap();
        let committed = fs::read_to_string(committed_dir.join(&name)).unwrap();
        assert!(
            committed == expected,
            "`proto/src/gen/{name}` differs: {HOW_TO_ACCEPT}"
        );
    }
}

/// `protox` compiles in Rust what would otherwise need an installed `protoc`.
fn generate(protos: &Path, out_dir: &Path) {
    let descriptors = protox::compile(PROTOS, [protos]).expect("the proto files compile");
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        // The caller chooses the HTTP/2 stack, and the codec's buffers are ours.
        .build_transport(false)
        .codec_path("crate::codec::Codec")
        .out_dir(out_dir)
        .compile_fds(descriptors)
        .expect("code is generated");
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("the directory can be listed");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("the entry can be read").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
