//! The `fake-kubelet` program: what it prints, what it obeys.

use std::io::Write;
use std::process::{Command, Output, Stdio};

#[test]
fn it_prints_what_happens_and_obeys_until_it_is_told_to_quit() {
    let node = tempfile::tempdir().unwrap();
    let root = node.path().to_str().unwrap();

    let output = run(
        &["--root", root, "--watcher", "--version", "1.36"],
        "restart\nshow example.com/vf\nallocate example.com/vf d0\ndelete example.com/vf\nquit\nrestart\n",
    );

    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    for line in [
        "never registered",
        "cannot allocate unregistered device example.com/vf",
        "error: no plugin has registered `example.com/vf`",
    ] {
        assert!(printed.contains(line), "{line:?} in {printed}");
    }
    assert!(
        node.path()
            .join("var/lib/kubelet/plugins_registry")
            .is_dir()
    );
}

#[test]
fn it_explains_itself_when_it_is_misused() {
    for arguments in [
        &["--watcher"][..],
        &["--root"],
        &["--root", "/tmp", "--version", "1.2"],
    ] {
        let output = run(arguments, "");

        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.starts_with(b"usage: fake-kubelet --root DIR"));
    }
}

fn run(arguments: &[&str], input: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_fake-kubelet"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // A program that prints its usage may end before it reads its input.
    let _ = program
        .stdin
        .take()
        .expect("it has an input")
        .write_all(input.as_bytes());
    program.wait_with_output().expect("the program ends")
}
