//! Mistakes in a configuration, as `sriovdp check` reports them: all of them at once, each with its place and its cure.

use expect_test::{Expect, expect};

use crate::test_node::{CAPTURED, RegistrationMode, TestNode, built};

/// What `sriovdp check` prints, and its exit code, with a provider whose selectors have parts of their own.
async fn check(options: &[&str], config: &str, expected: Expect) {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    node.provide("faulty", &built("sriovdp_faulty_provider"));
    let (code, output, _) = node.run(&[options, &["check"]].concat()).await;
    let output = output.replace("/etc/pcidp/config.json:", "");
    expected.assert_eq(&format!("{output}exit {}", code.unwrap_or(-1)));
}

/// A selector there narrows nothing, so that the pool would take more than the user asked for.
const MISPLACED: &str = r#"{"resourceList": [
  {"resourceName": "old", "rootDevices": ["0000:41:00.0"], "sriovMode": true, "isRdma": false},
  {"resourceName": "aws", "devices": ["10ca"], "selectors": {"vendors": ["8086"]}},
  {"resourceName": "rdma", "isrdma": true, "selectors": {"vendors": ["8086"]}},
  {"resourceName": "typo", "pfName": ["eth2"], "selector": {"pfNames": ["eth2"]}, "deviceTyp": "accelerator"},
  {"resourceName": "other", "deviceType": "accelerator", "pfNames": ["eth2"]},
  {"resourceName": "generation", "deviceType": "netdevice", "rootDevices": ["0000:41:00.0"]},
  {"resourceName": "nowhere", "enableExporterHealthCheck": true, "selectors": {"pfNames": ["eth2"]}},
  {"resourceName": "inside", "selectors": {"excludeTopology": true, "deviceType": "accelerator", "allocationPolcy": "packed"}},
  {"resourceName": "twice", "selectors": {"selectors": {"pfNames": ["eth2"]}}},
  {"resourceName": "intel.com/slash", "selectors": {"pfName": ["eth2"]}}
]}"#;

#[tokio::test]
async fn keys_in_the_wrong_place() {
    check(&[], MISPLACED, expect![[r#"
        error: 2:42: `resourceList[0].rootDevices`: a selector has no effect beside `selectors`
        hint: move it into the object `selectors`
        warning: 2:73: `resourceList[0].sriovMode`: the key is not known and has no effect
        hint: remove it; it is neither a key of a resource nor a selector of a provider
        warning: 2:89: `resourceList[0].isRdma`: a selector has no effect beside `selectors`
        hint: move it into the object `selectors`
        error: 3:38: `resourceList[1].devices`: a selector has no effect beside `selectors`
        hint: move it into the object `selectors`
        error: 4:38: `resourceList[2].isrdma`: a selector has no effect beside `selectors`
        hint: move it into the object `selectors`
        error: 5:38: `resourceList[3].pfName`: the key is not known and has no effect
        hint: did you mean the selector `pfNames`, inside `selectors`?
        error: 5:60: `resourceList[3].selector`: the key is not known and has no effect
        hint: did you mean `selectors`?
        error: 5:96: `resourceList[3].deviceTyp`: the key is not known and has no effect
        hint: did you mean `deviceType`?
        error: 6:69: `resourceList[4].pfNames`: a selector of `auxNetDevice`, `netDevice` has no effect here
        hint: remove it; the selectors of `accelerator` are acpiIndexes, devices, drivers, kubevirtHostDevice, needIommufd, pciAddresses, pcieRoots, vendors
        error: 7:48: `resourceList[5].deviceType`: no provider brings the device type `netdevice`
        hint: did you mean `netDevice`?
        error: 7:76: `resourceList[5].rootDevices`: a selector has no effect beside `selectors`
        hint: move it into the object `selectors`
        warning: 8:60: `resourceList[6].enableExporterHealthCheck`: the key is not known and has no effect
        hint: remove it; it is neither a key of a resource nor a selector of a provider
        error: 9:63: `resourceList[7].selectors.excludeTopology`: no provider declares this selector for `netDevice`
        hint: `excludeTopology` is a key of the resource: move it out of `selectors`
        error: 9:83: `resourceList[7].selectors.deviceType`: no provider declares this selector for `netDevice`
        hint: `deviceType` is a key of the resource: move it out of `selectors`
        error: 9:117: `resourceList[7].selectors.allocationPolcy`: no provider declares this selector for `netDevice`
        hint: did you mean `allocationPolicy`, outside `selectors`?
        error: 10:56: `resourceList[8].selectors.selectors`: no provider declares this selector for `netDevice`
        hint: write its members directly into the outer `selectors`
        error: 11:20: `resourceList[9].resourceName`: `intel.com/slash` cannot be a resource name
        hint: what is before the slash is the prefix: write "resourcePrefix": "intel.com", "resourceName": "slash"
        error: 11:63: `resourceList[9].selectors.pfName`: no provider declares this selector for `netDevice`
        hint: did you mean `pfNames`?
        intel.com/nowhere: 4 devices, 4 healthy
        exit 1"#]]).await;
    check(&["--lenient"], MISPLACED, expect![[r#"
        warning: 2:42: `resourceList[0].rootDevices`: a selector has no effect beside `selectors`
        hint: move it into the object `selectors`
        warning: 2:73: `resourceList[0].sriovMode`: the key is not known and has no effect
        hint: remove it; it is neither a key of a resource nor a selector of a provider
        warning: 2:89: `resourceList[0].isRdma`: a selector has no effect beside `selectors`
        hint: move it into the object `selectors`
        warning: 3:38: `resourceList[1].devices`: a selector has no effect beside `selectors`
        hint: move it into the object `selectors`
        warning: 4:38: `resourceList[2].isrdma`: a selector has no effect beside `selectors`
        hint: move it into the object `selectors`
        warning: 5:38: `resourceList[3].pfName`: the key is not known and has no effect
        hint: did you mean the selector `pfNames`, inside `selectors`?
        warning: 5:60: `resourceList[3].selector`: the key is not known and has no effect
        hint: did you mean `selectors`?
        warning: 5:96: `resourceList[3].deviceTyp`: the key is not known and has no effect
        hint: did you mean `deviceType`?
        warning: 6:69: `resourceList[4].pfNames`: a selector of `auxNetDevice`, `netDevice` has no effect here
        hint: remove it; the selectors of `accelerator` are acpiIndexes, devices, drivers, kubevirtHostDevice, needIommufd, pciAddresses, pcieRoots, vendors
        error: 7:48: `resourceList[5].deviceType`: no provider brings the device type `netdevice`
        hint: did you mean `netDevice`?
        warning: 7:76: `resourceList[5].rootDevices`: a selector has no effect beside `selectors`
        hint: move it into the object `selectors`
        warning: 8:60: `resourceList[6].enableExporterHealthCheck`: the key is not known and has no effect
        hint: remove it; it is neither a key of a resource nor a selector of a provider
        warning: 9:63: `resourceList[7].selectors.excludeTopology`: no provider declares this selector for `netDevice`
        hint: `excludeTopology` is a key of the resource: move it out of `selectors`
        warning: 9:83: `resourceList[7].selectors.deviceType`: no provider declares this selector for `netDevice`
        hint: `deviceType` is a key of the resource: move it out of `selectors`
        warning: 9:117: `resourceList[7].selectors.allocationPolcy`: no provider declares this selector for `netDevice`
        hint: did you mean `allocationPolicy`, outside `selectors`?
        warning: 10:56: `resourceList[8].selectors.selectors`: no provider declares this selector for `netDevice`
        hint: write its members directly into the outer `selectors`
        error: 11:20: `resourceList[9].resourceName`: `intel.com/slash` cannot be a resource name
        hint: what is before the slash is the prefix: write "resourcePrefix": "intel.com", "resourceName": "slash"
        warning: 11:63: `resourceList[9].selectors.pfName`: no provider declares this selector for `netDevice`
        hint: did you mean `pfNames`?
        intel.com/old: 9 devices, 9 healthy
        intel.com/aws: 0 devices, 0 healthy
            of 9 devices most often refused by `vendors` (2); 7 in other pools; 3 not offered at all; see `sriovdp explain --resource intel.com/aws`
        intel.com/rdma: 0 devices, 0 healthy
            of 9 devices most often refused by `vendors` (2); 7 in other pools; 3 not offered at all; see `sriovdp explain --resource intel.com/rdma`
        intel.com/typo: 0 devices, 0 healthy
            of 9 devices; 9 in other pools; 3 not offered at all; see `sriovdp explain --resource intel.com/typo`
        intel.com/other: 1 device, 1 healthy
        intel.com/nowhere: 0 devices, 0 healthy
            of 9 devices most often refused by `pfNames` (5); 4 in other pools; 3 not offered at all; see `sriovdp explain --resource intel.com/nowhere`
        intel.com/inside: 0 devices, 0 healthy
            of 9 devices; 9 in other pools; 3 not offered at all; see `sriovdp explain --resource intel.com/inside`
        intel.com/twice: 0 devices, 0 healthy
            of 9 devices; 9 in other pools; 3 not offered at all; see `sriovdp explain --resource intel.com/twice`
        exit 1"#]]).await;
}

#[tokio::test]
async fn every_wrong_value_of_a_resource() {
    check(
        &[],
        r#"{"resourceList": [
  {"resourceName": "a", "selectors": [
    {"vendors": [8086, "8086"], "drivers": "vfio-pci", "pfNames": ["eth2", "eth2#3-1"], "needVhostNet": 1, "vdpaType": "vhost_vdpa"},
    {"pfName": ["eth2"], "devices": ["10ca", "xyz"]}
  ]},
  {"resourceName": "b", "deviceType": "auxNetDevice", "selectors": {"vendors": ["x"]}},
  {"resourceName": "c", "deviceType": "auxNetDevice", "selectors": {"auxTypes": ["sf", "eth"]}},
  {"resourceName": "-", "selectors": {"vendors": ["y"]}},
  {"resourceName": "d", "selectors": {"linkTypes": ["IB", "ether"], "pfNames": ["0000:5e:00.0", "eth2:0-3"]}}
]}"#,
        expect![[r#"
            error: 3:18: `resourceList[0].selectors[0].vendors[0]`: invalid value for `vendors`: it must be a string, and it is the integer `8086`
            hint: write it in quotes, and an id as `lspci -n` prints it: YAML reads `0x154c` and `10e9` without quotes as other numbers
            error: 3:44: `resourceList[0].selectors[0].drivers`: invalid value for `drivers`: it must be a list, and it is the string "vfio-pci"
            hint: write it in brackets: `["vfio-pci"]`
            error: 3:76: `resourceList[0].selectors[0].pfNames[1]`: invalid value for `pfNames`: `3-1` in `eth2#3-1` is not a list of numbers and ranges
            hint: write numbers and rising ranges behind `#`, for example `ens1f0#0,2-7`
            error: 3:105: `resourceList[0].selectors[0].needVhostNet`: invalid value for `needVhostNet`: it must be a boolean, and it is the integer `1`
            hint: write `true` or `false` without quotes
            error: 3:120: `resourceList[0].selectors[0].vdpaType`: invalid value for `vdpaType`: there is no `vhost_vdpa`; it is one of `vhost`, `virtio`
            hint: did you mean `vhost`?
            error: 4:16: `resourceList[0].selectors[1].pfName`: no provider declares this selector for `netDevice`
            hint: did you mean `pfNames`?
            error: 4:46: `resourceList[0].selectors[1].devices[1]`: invalid value for `devices`: `xyz` is not a PCI id
            hint: an id has up to four hexadecimal digits, as `lspci -n` prints them: `8086`, `154c`
            error: 6:68: `resourceList[1].selectors.auxTypes`: the selector `auxTypes` is missing
            hint: add `"auxTypes": ["sf"]`
            error: 6:81: `resourceList[1].selectors.vendors[0]`: invalid value for `vendors`: `x` is not a PCI id
            hint: an id has up to four hexadecimal digits, as `lspci -n` prints them: `8086`, `154c`
            error: 7:88: `resourceList[2].selectors.auxTypes[1]`: invalid value for `auxTypes`: `eth` is no auxiliary device that a container could have
            hint: subfunctions are the only ones: write `"auxTypes": ["sf"]`
            error: 8:20: `resourceList[3].resourceName`: `-` cannot be a resource name
            hint: a name has 1 to 63 letters, digits, `-`, `_` and `.`, and begins and ends with a letter or a digit
            error: 8:51: `resourceList[3].selectors.vendors[0]`: invalid value for `vendors`: `y` is not a PCI id
            hint: an id has up to four hexadecimal digits, as `lspci -n` prints them: `8086`, `154c`
            warning: 9:53: `resourceList[4].selectors.linkTypes[0]`: no device can match: there is no link type `IB`
            hint: write `infiniband`
            warning: 9:81: `resourceList[4].selectors.pfNames[0]`: no device can match: `0000:5e:00.0` is a PCI address and no name of a network interface
            hint: write it under `rootDevices`
            warning: 9:97: `resourceList[4].selectors.pfNames[1]`: no device can match: `eth2:0-3` has a colon, which no network interface has in its name
            hint: write numbers behind `#`: `eth2#0-3`
            intel.com/d: 0 devices, 0 healthy
                of 9 devices most often refused by `pfNames` (9), `linkTypes` (2), such as 0000:00:0a.0: it has no physical function here, and the selector has 0000:5e:00.0, eth2:0-3; 3 not offered at all; see `sriovdp explain --resource intel.com/d`
            exit 1"#]],
    )
    .await;
}

const NESTED: &str = r#"{"resourceList": [
  {"resourceName": "good", "deviceType": "faulty", "selectors": {"Parts": {"MinVersion": 9, "null": null, "MODE": "inline"},
     "many": [{"minversion": 1}], "named": {"Any Name": {"minVersion": 2}}, "kind": {"Tagged": {"depth": 1}}}},
  {"resourceName": "typo", "deviceType": "faulty", "selectors": {"parts": {"minVersoin": 9}}},
  {"resourceName": "deep", "deviceType": "faulty", "selectors": {"many": [{}, {"minVersion": 1, "slots": 2}], "named": {"x": {"mod": "inline"}},
     "kind": {"tagged": {"width": 1, "nothing": false}}}},
  {"resourceName": "values", "deviceType": "faulty", "selectors": {"parts": {"minVersion": 300}, "many": [{"mode": "inlin"}]}}
]}"#;

#[tokio::test]
async fn keys_inside_of_a_selector() {
    check(&[], NESTED, expect![[r#"
        error: 4:90: `resourceList[1].selectors.parts.minVersoin`: the selector `parts` has no such key
        hint: did you mean `minVersion`?
        error: 5:106: `resourceList[2].selectors.many[1].slots`: the selector `many` has no such key
        hint: its keys are minVersion, mode
        error: 5:134: `resourceList[2].selectors.named.x.mod`: the selector `named` has no such key
        hint: did you mean `mode`?
        error: 6:25: `resourceList[2].selectors.kind.tagged`: invalid value for `kind`: `depth` is missing in it
        error: 6:35: `resourceList[2].selectors.kind.tagged.width`: the selector `kind` has no such key
        hint: its keys are depth
        warning: 6:49: `resourceList[2].selectors.kind.tagged.nothing`: the selector `kind` has no such key
        hint: its keys are depth
        error: 7:92: `resourceList[3].selectors.parts.minVersion`: invalid value for `parts`: it must be a whole number from 0 to 255, and it is the integer `300`
        error: 7:116: `resourceList[3].selectors.many[0].mode`: invalid value for `many`: there is no `inlin`; it is one of `inline`, `lookAside`
        hint: did you mean `inline`?
        intel.com/good: 2 devices, 2 healthy
        exit 1"#]]).await;
    check(&["--lenient"], NESTED, expect![[r#"
        warning: 4:90: `resourceList[1].selectors.parts.minVersoin`: the selector `parts` has no such key
        hint: did you mean `minVersion`?
        warning: 5:106: `resourceList[2].selectors.many[1].slots`: the selector `many` has no such key
        hint: its keys are minVersion, mode
        warning: 5:134: `resourceList[2].selectors.named.x.mod`: the selector `named` has no such key
        hint: did you mean `mode`?
        error: 6:25: `resourceList[2].selectors.kind.tagged`: invalid value for `kind`: `depth` is missing in it
        warning: 6:35: `resourceList[2].selectors.kind.tagged.width`: the selector `kind` has no such key
        hint: its keys are depth
        warning: 6:49: `resourceList[2].selectors.kind.tagged.nothing`: the selector `kind` has no such key
        hint: its keys are depth
        error: 7:92: `resourceList[3].selectors.parts.minVersion`: invalid value for `parts`: it must be a whole number from 0 to 255, and it is the integer `300`
        error: 7:116: `resourceList[3].selectors.many[0].mode`: invalid value for `many`: there is no `inlin`; it is one of `inline`, `lookAside`
        hint: did you mean `inline`?
        intel.com/good: 2 devices, 2 healthy
        intel.com/typo: 0 devices, 0 healthy
            of 2 devices; 2 in other pools; see `sriovdp explain --resource intel.com/typo`
        exit 1"#]]).await;
}

/// One file may be for many nodes, so that the daemon does not mention it.
#[tokio::test]
async fn values_for_devices_that_are_not_there() {
    check(
        &[],
        r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eth2"]},
  "additionalInfo": {"*": {"a": "b"}, "0000:41:10.0": {"a": "b"}, "0000:99:00.0": {"a": "b"}}}]}"#,
        expect![[r#"
            warning: 2:83: `resourceList[0].additionalInfo.0000:99:00.0`: `intel.com/a` has no such device on this node
            hint: write a device id or PCI address that `sriovdp list` shows, or `*`
            intel.com/a: 4 devices, 4 healthy
            exit 0"#]],
    )
    .await;
}
