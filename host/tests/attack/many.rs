//! A configuration of the largest size takes time in proportion to it.

use tokio::process::Command;

use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

/// The processor time of `sriovdp check` for so many resources, in seconds.
async fn check(node: &TestNode, resources: usize) -> f64 {
    let resource =
        |n| format!(r#"{{"resourceName": "r{n}", "selectors": {{"pfNames": ["pf{n}"]}}}}"#);
    let list: Vec<String> = (0..resources).map(resource).collect();
    node.configure(&format!(r#"{{"resourceList": [{}]}}"#, list.join(",")));
    let program = node.command(&["check"]);
    let program = program.as_std();
    let output = Command::new("sh")
        // The times of the shell and of its children, each a line of user and system time.
        .args(["-c", "\"$@\" > /dev/null; times", "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .output()
        .await
        .unwrap();
    let times = String::from_utf8(output.stdout).unwrap();
    let children = times.lines().nth(1).unwrap();
    let seconds = children.split_whitespace().map(|time| {
        let (minutes, seconds) = time.trim_end_matches('s').split_once('m').unwrap();
        60.0 * minutes.parse::<f64>().unwrap() + seconds.parse::<f64>().unwrap()
    });
    seconds.sum()
}

#[tokio::test]
async fn processor_time_is_linear_in_the_number_of_resources() {
    let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    let few = check(&node, 2_000).await;
    let many = check(&node, 16_000).await;
    println!("2,000 resources: {few:.2} s, 16,000: {many:.2} s");
    // Eight times as many; square time would be 64 times as much.
    assert!(many < 20.0 * few, "{few} s, then {many} s");
}
