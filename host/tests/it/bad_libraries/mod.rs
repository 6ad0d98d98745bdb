//! Libraries that are none, that lie, crash, hang or answer nonsense, and what each one costs.

mod allocate_faults;
mod build;
mod directory;
mod gate;
mod runtime_faults;

use build::{ENDS_ITS_PARENT, Made, good, with_other_bytes};

use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

/// The timeout of those that hang; the others have the usual one.
const SHORT: [&str; 2] = ["--provider-timeout", "2000"];

fn bytes(change: impl FnOnce(&mut Vec<u8>)) -> Made {
    let mut bytes = good();
    change(&mut bytes);
    Made::Bytes(bytes)
}

fn manifest(rest: &str) -> Made {
    let start = r#"manifest={"package": "p", "version": "1", "sdk": "1.0.0", "summary": "s""#;
    Made::Raw(format!("{start}, {rest}}}"))
}

/// A name, how it is made, and its refusal.
fn rows() -> Vec<(&'static str, Made, &'static str)> {
    let raw = |answer: &str| Made::Raw(answer.to_owned());
    vec![
        (
            "not ELF",
            Made::Bytes(b"#!/bin/sh\n".to_vec()),
            "it is not an ELF file",
        ),
        (
            "cut at its very end",
            bytes(|b| b.truncate(b.len() - 1)),
            "it is truncated: its headers need ",
        ),
        (
            "a program",
            bytes(|b| b[16] = 2),
            "it is not a shared library",
        ),
        (
            "no note",
            with_other_bytes(b"sriovdp\0", b"sriowdp\0"),
            "it is not a provider: it lacks the note",
        ),
        (
            "another major ABI",
            with_other_bytes(b"abi=1.", b"abi=2."),
            "it has ABI 2.0, and this host loads providers with ABI 1.x",
        ),
        (
            "panic = abort",
            with_other_bytes(b"panic=unwind\n", b"panic=abort\n\n"),
            "it was built with `panic = \"abort\"`, so a panic in it would end this host",
        ),
        (
            "other magic",
            with_other_bytes(
                b"abi stable library for Rust",
                b"abi stable library for rust",
            ),
            "its ABI differs from this host's: ",
        ),
        (
            "another layout of the same version",
            with_other_bytes(b"attach;host,settings,call", b"attack;host,settings,call"),
            "its ABI differs from this host's: ",
        ),
        (
            "a note that lies",
            Made::C("int innocent;"),
            "the dynamic linker refuses it: undefined symbol: _1as_0lib",
        ),
        (
            "an unresolved symbol",
            Made::C("void not_there(void); void f(void) { not_there(); }"),
            "the dynamic linker refuses it: undefined symbol: not_there",
        ),
        (
            "a missing dependency",
            Made::NeedsAbsent,
            "the dynamic linker refuses it: libabsent.so: cannot open shared object file",
        ),
        (
            "a constructor that traps",
            Made::C("__attribute__((constructor)) void f(void) { __builtin_trap(); }"),
            "it crashes while it is loaded: SIG",
        ),
        (
            "a constructor that sees what is not meant for it",
            Made::C(
                "#include <stdlib.h>\n__attribute__((constructor)) void f(void) { if (getenv(\"SRIOVDP_PROVIDER_ENV\")) abort(); }",
            ),
            "the dynamic linker refuses it: undefined symbol: _1as_0lib",
        ),
        (
            "a constructor that reads nothing",
            Made::C("__attribute__((constructor)) void f(void) { *(volatile int *)8; }"),
            "it crashes while it is loaded: SIGSEGV",
        ),
        (
            "a constructor that exits",
            Made::C("#include <stdlib.h>\n__attribute__((constructor)) void f(void) { exit(7); }"),
            "it ends its process while it is loaded, with exit code 7",
        ),
        (
            "a constructor that exits well",
            Made::C("#include <stdlib.h>\n__attribute__((constructor)) void f(void) { exit(0); }"),
            "it ends its process while it is loaded, with exit code 0",
        ),
        (
            "a constructor that hangs",
            Made::C(
                "#include <unistd.h>\n__attribute__((constructor)) void f(void) { for (;;) pause(); }",
            ),
            "it timed out after 2s while it is loaded",
        ),
        (
            "a constructor that forks and goes",
            Made::C(
                "#include <unistd.h>\n__attribute__((constructor)) void f(void) { if (!fork()) for (;;) pause(); _exit(0); }",
            ),
            "it timed out after 2s while it is loaded",
        ),
        (
            "a constructor that ends the process of the probe",
            Made::C(ENDS_ITS_PARENT),
            "cannot run its probe, `/proc/self/exe`: the process of the probe has ended",
        ),
        (
            "a constructor that talks",
            Made::C(
                "#include <stdio.h>\n__attribute__((constructor)) void f(void) { puts(\"{}\"); fflush(stdout); }",
            ),
            "the dynamic linker refuses it: undefined symbol: _1as_0lib",
        ),
        (
            "a manifest that panics",
            Made::Faulty("manifest=panic"),
            "it fails in `manifest`: the provider panicked in `manifest` at ",
        ),
        (
            "a panic that panics when it goes",
            Made::Faulty("manifest=bomb"),
            "the panic has no message",
        ),
        (
            "a manifest that hangs",
            Made::Faulty("manifest=hang"),
            "it timed out after 2s in `manifest`",
        ),
        (
            "a manifest that aborts",
            Made::Faulty("manifest=abort"),
            "it crashes in `manifest`: SIGABRT",
        ),
        (
            "a manifest that exits",
            Made::Faulty("manifest=exit"),
            "it ends its process in `manifest`, with exit code 3",
        ),
        (
            "a manifest of 100 MB",
            raw("manifest=huge"),
            "the provider's answer to `manifest` has 104857602 bytes, and at most ",
        ),
        (
            "a manifest of 10 MB",
            raw("manifest=large"),
            "invalid manifest: it has more than 1048576 bytes",
        ),
        (
            "a manifest that is no text",
            raw("manifest=not-utf-8"),
            "the provider's answer to `manifest` cannot be read: invalid utf-8",
        ),
        (
            "a manifest that is no JSON",
            raw("manifest={"),
            "the provider's answer to `manifest` cannot be read: EOF",
        ),
        (
            "a manifest of something else",
            raw("manifest=[]"),
            "the provider's answer to `manifest` cannot be read: ",
        ),
        (
            "a schema that is none",
            manifest(r#""device_type": "t", "schema": 7"#),
            "invalid manifest: the selector schema must be a JSON schema of an object: it is not an object",
        ),
        (
            "a schema of a text",
            manifest(r#""device_type": "t", "schema": {"type": "string"}"#),
            "its `type` is not `object`",
        ),
        (
            "a schema with a list of properties",
            manifest(r#""device_type": "t", "schema": {"properties": []}"#),
            "its `properties` are not an object",
        ),
        (
            "one key twice",
            manifest(r#""device_type": "t", "schema": {"properties": {"a": {}, "A": {}}}"#),
            "invalid manifest: it has the selector key `a` twice",
        ),
        (
            "neither an owner nor an extension",
            manifest(r#""schema": {}"#),
            "invalid manifest: it has neither `device_type` nor `extends`",
        ),
        (
            "a device type that is no word",
            manifest(r#""device_type": "", "schema": {}"#),
            "invalid manifest: the device type `` is empty",
        ),
        (
            "a discovery that hangs",
            Made::Faulty("discover=hang"),
            "it timed out after 2s in `discover`",
        ),
        (
            "a discovery that aborts",
            Made::Faulty("discover=abort"),
            "it crashes in `discover`: SIGABRT",
        ),
    ]
}

/// Each is refused with one sentence and a cure, at the step at which it fails, and leaves nothing behind.
#[tokio::test]
async fn bad_library_is_refused_with_one_sentence() {
    let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    let scratch = tempfile::tempdir().unwrap();
    let mut running = tokio::task::JoinSet::new();
    for (name, made, expected) in rows() {
        let directory = tempfile::tempdir().unwrap();
        let (file, variable) = made.make(directory.path());
        let mut command = node.command(&["provider", "check"]);
        command.arg(&file).envs(variable);
        command.env("TMPDIR", scratch.path()).kill_on_drop(true);
        if expected.contains("after 2s") {
            command.args(SHORT);
        }
        running.spawn(async move {
            let output = command.output().await.unwrap();
            drop(directory);
            (name, expected, output)
        });
        // Enough to wait for several that hang, and few enough for the others to be quick.
        if running.len() >= 8 {
            judge(running.join_next().await);
        }
    }
    while let Some(ended) = running.join_next().await {
        judge(Some(ended));
    }
    let left: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

type Ended = (&'static str, &'static str, std::process::Output);

fn judge(ended: Option<Result<Ended, tokio::task::JoinError>>) {
    let (name, expected, output) = ended.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    let reply = last.strip_prefix("refused  ").unwrap_or_default();
    assert!(reply.contains(expected), "{name}: {text}");
    assert!(reply.len() < 500, "{name}: {text}");
    assert_eq!(output.status.code(), Some(1), "{name}: {text}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors, "", "{name}");
}

/// A good one passes every step, and prints its role.
#[tokio::test]
async fn provider_check_accepts_a_valid_library() {
    let mut node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    let file = node.provider_dir().join("accelerator.so");
    let (code, output, _) = node
        .run(&["provider", "check", file.to_str().unwrap()])
        .await;
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(output.matches("ok       ").count(), 9, "{output}");
    assert!(
        output.contains("It would be loaded: device type accelerator (sriovdp-accelerator "),
        "{output}"
    );
    for name in ["accelerator.so.1", ".accelerator.so"] {
        let renamed = node.provider_dir().join(name);
        std::fs::copy(&file, &renamed).unwrap();
        let command = ["provider", "check", renamed.to_str().unwrap()];
        let (code, output, _) = node.run(&command).await;
        assert_eq!(code, Some(0), "{output}");
        assert!(
            output.contains("warning  the daemon does not read a file of this name"),
            "{output}"
        );
        assert!(!output.contains("It would be loaded:"), "{output}");
        std::fs::remove_file(renamed).unwrap();
    }
    // The output of a provider that prints is read, byte by byte, and ignored.
    node.environment("FAULTY_PROVIDER", "manifest=print");
    node.provide(
        "faulty",
        &crate::test_node::built("sriovdp_faulty_provider"),
    );
    let faulty = node.provider_dir().join("faulty.so");
    let check = ["provider", "check", faulty.to_str().unwrap()];
    let (code, output, errors) = node.run(&check).await;
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{output}");
    // One whose discovery panics may have a better day.
    node.environment("FAULTY_PROVIDER", "discover=panic");
    let (code, output, _) = node.run(&check).await;
    assert_eq!(code, Some(0), "{output}");
    assert!(
        output.contains(
            "warning  the discovery on an empty node failed: the provider panicked in `discover`"
        ),
        "{output}"
    );
}
