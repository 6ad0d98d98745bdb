//! RDMA functions of clouds, on the nodes of `examples/nodes`.

use serde_json::json;

use super::functions;

macro_rules! node {
    ($name:literal) => {
        include_str!(concat!("../../../../../examples/nodes/", $name))
    };
}

#[test]
fn a_cloud_function_is_handed_out_by_its_verbs_device() {
    for (tree, function, rdma, verbs) in [
        (
            node!("efa-multi-rail.tree"),
            "0000:90:1b.0",
            "rdmap144s27",
            "uverbs2",
        ),
        (node!("erdma.tree"), "0000:00:07.0", "erdma_0", "uverbs0"),
        (node!("mana.tree"), "f04c:00:00.0", "mana_1", "uverbs1"),
    ] {
        let (_node, provider) = functions(tree, &[function]);
        let selectors = json!({"isRdma": true});
        assert_eq!(provider.select(selectors.clone()), [function]);
        let allocated = provider
            .allocate_json(selectors, function)
            .expect("an allocation");
        let info = &allocated["info"]["rdma"];
        assert_eq!(info["rdma_dev"], rdma);
        assert_eq!(info["uverbs"], format!("/dev/infiniband/{verbs}"));
        assert_eq!(info["umad"], json!(null));
    }
}
