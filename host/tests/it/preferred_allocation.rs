//! Which devices the preferred allocation has.

use crate::test_node::{CAPTURED, RegistrationMode, TestNode, both_modes};

both_modes!(each_resource_has_its_policy);

/// The virtual functions of two physical functions, which are on two NUMA nodes.
const ALL: [&str; 4] = [
    "0000:41:10.0",
    "0000:41:10.6",
    "0000:81:10.0",
    "0000:81:10.2",
];

async fn each_resource_has_its_policy(mode: RegistrationMode) {
    let cases = [
        ("", &ALL[3..], 2, &["0000:81:10.2", "0000:81:10.0"][..]),
        (
            r#""allocationPolicy": "packed","#,
            &[],
            2,
            &["0000:41:10.0", "0000:41:10.6"],
        ),
        (
            r#""allocationPolicy": "spread","#,
            &[],
            2,
            &["0000:41:10.0", "0000:81:10.0"],
        ),
        // More than there are: the kubelet is left alone with it, and the pod is not refused for the question.
        ("", &[], 5, &[]),
    ];
    for (policy, must_include, size, expected) in cases {
        let config = format!(
            r#"{{"resourceList": [{{"resourceName": "vf", {policy} "selectors": {{"drivers": ["igbvf"]}}}}]}}"#
        );
        let node = TestNode::with_config(CAPTURED, mode, &config);
        let kubelet = node.kubelet().await;
        let _daemon = node.daemon();
        kubelet
            .wait_for("intel.com/vf", |view| view.allocatable() == ALL.len())
            .await
            .unwrap();
        let preferred = kubelet
            .preferred("intel.com/vf", &ALL, must_include, size)
            .await
            .unwrap();
        assert_eq!(preferred, expected, "{config}");
    }
}
