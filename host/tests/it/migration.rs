//! `sriovdp check --migrate`.

use expect_test::expect;
use serde_json::Value;

use crate::test_node::{RegistrationMode, TestNode};

const NODE: &str = "
pci 0000:01:00.0 8086:1521 driver=igb net=eno1
pf 0000:60:00.0 8086:37d0 driver=i40e net=eno2
vf 0000:60:06.{0-3} 8086:37cd pf=0000:60:00.0 id={0-3} driver=iavf net=eno2v{0-3}
pf 0000:61:00.0 8086:37d0 driver=i40e net=eno3
vf 0000:61:06.{0-1} 8086:37cd pf=0000:61:00.0 id={0-1} driver=iavf net=eno3v{0-1}
vf 0000:61:06.3 8086:37cd pf=0000:61:00.0 id=3 driver=iavf net=eno3v3
file @0000:61:00.0/net/eno3/carrier 0
pci 0000:e6:00.0 8086:0d5c class=120000 driver=vfio-pci group=40 acpi=1
pci 0000:e7:00.0 8086:0d5c class=120000 driver=vfio-pci group=41
route eno1 default
";

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "twice", "selectors": {"pfNames": ["eno2#0", "eno2#2"]}},
    {"resourceName": "first", "selectors": {"vendors": ["0x8086"], "pfNames": ["eno2#1"]}},
    {"resourceName": "typo", "selectors": {"pfName": ["eno3"]}},
    {"resourceName": "value", "selectors": {"vendors": "x"}},
    {"resourceName": "all"},
    {"resourceName": "crypto", "deviceType": "accelerator", "selectors": {"acpiIndexes": ["1"]}},
    {"resourceName": "none", "allocationPolicy": "packed", "additionalInfo": {"*": {"token": "secret"}}, "selectors": {"devices": ["ffff"]}}
]}"#;

#[tokio::test]
async fn every_difference_of_the_node_is_found() {
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, CONFIG);
    let (code, output, errors) = node
        .run(&["--use-cdi", "--v=10", "check", "--migrate"])
        .await;
    assert_eq!(code, Some(1), "{errors}");
    let output = output.replace(&*node.root().to_string_lossy(), "");
    let output: Vec<&str> = output
        .lines()
        .filter(|line| !line.contains("-not-needed]"))
        .collect();
    expect![[r#"
        not served: `intel.com/typo`: /etc/pcidp/config.json:4:54: `resourceList[2].selectors.pfName`: no provider declares this selector for `netDevice`; the Go plugin ignores it, and the resource has 7 devices [refused-key]
            hint: did you mean `pfNames`? (`--lenient` ignores the key as the Go plugin does)
        not served: `intel.com/value`: /etc/pcidp/config.json:5:56: `resourceList[3].selectors.vendors`: invalid value for `vendors`: it must be a list, and it is the string "x"; by the kind of the mistake, the Go plugin ends, drops the resource, or matches nothing [refused-value]
            hint: write it in brackets: `["x"]`
        changes: `intel.com/none`: `allocationPolicy` takes effect; the Go plugin ignores it [resource-key]
        changes: `intel.com/twice`: 2 devices; with the Go plugin 1 [other-devices]
            only here: 0000:60:06.2; with the Go plugin in `intel.com/typo`
            `pfNames`: with the Go plugin, `eno2#2` selects fewer devices, or none
        changes: `intel.com/first`: 1 device; with the Go plugin 0 [other-devices]
            only here: 0000:60:06.1; with the Go plugin in `intel.com/typo`
            `vendors`: with the Go plugin, `0x8086` selects fewer devices, or none
        changes: `intel.com/all`: 4 devices; with the Go plugin 0 [other-devices]
            only here: 0000:60:06.3, 0000:61:06.0, 0000:61:06.1, 0000:61:06.3; with the Go plugin in `intel.com/typo`
        changes: `intel.com/crypto`: 1 device; with the Go plugin 2 [other-devices]
            only with the Go plugin: 0000:e7:00.0
            `acpiIndexes`: the Go plugin ignores the key
        changes: `intel.com/all`: `0000:01:00.0` is not offered: its network interface `eno1` carries the default route of the node, and `pciAddresses` does not name it [kept-out]
        changes: `intel.com/all`: 3 of 4 devices unhealthy: 0000:61:06.0, 0000:61:06.1, 0000:61:06.3: the interface `eno3` of the physical function 0000:61:00.0 has no link [unhealthy-devices]
            hint: `"health": {"link": false}` in the resource, which the Go plugin ignores, keeps them healthy
        changes: `intel.com/all`: the number of the virtual function is not below the count of them, so the Go plugin selects it by no range: 0000:61:06.3 [vf-number]
        `intel.com/all`: without `selectors`, the Go plugin crashes; here the resource has every device of the type [ends-the-go-plugin]
        `intel.com/none`: values of `additionalInfo` are not logged, and those at the id of a device take effect, where the Go plugin reads only those at a PCI address [additional-info]
        `intel.com/twice`: `pfNames`: with the Go plugin, `eno2#2` selects fewer devices, or none [selector-reading]
        `intel.com/first`: `vendors`: with the Go plugin, `0x8086` selects fewer devices, or none [selector-reading]
        `intel.com/crypto`: `acpiIndexes`: the Go plugin ignores the key [selector-reading]
        `intel.com/none`: it is registered without devices; the Go plugin does not register it [empty-pool]
        which free devices a container gets follows `allocationPolicy`; with the Go plugin, the kubelet chooses [preferred-allocation]
        a changed configuration, device or link takes effect without a restart [reload]
        the plugin registers through the plugin watcher, in `/var/lib/kubelet/plugins_registry`, as the Go plugin does; a lost registration is repeated [registration]
        the variables have the names that they have with the Go plugin, and the one that ends in `_INFO` is complete from the first container on [environment-variables]
            `intel.com/all`: `PCIDEVICE_INTEL_COM_ALL`
            `intel.com/crypto`: `PCIDEVICE_INTEL_COM_CRYPTO`
            `intel.com/first`: `PCIDEVICE_INTEL_COM_FIRST`
            `intel.com/none`: `PCIDEVICE_INTEL_COM_NONE`
            `intel.com/twice`: `PCIDEVICE_INTEL_COM_TWICE`
        files in `/var/run/k8s.cni.cncf.io/devinfo/dp` have the names that they have with the Go plugin, and stay when the plugin starts or ends [device-info-files]
        CDI names are in the field `CDIDevices` of the Allocate response, which Kubernetes has since 1.29; the Go plugin has them in annotations [cdi]
            hint: `--cdi-names=annotations` for older kubelets
        specifications in `/var/run/cdi` have the names that they have with the Go plugin, and stay when the plugin starts or ends [cdi]
        `-v` has no effect: the log goes to standard error only [option-without-effect]
        not served: 2, changes: 8, information: 14; docs/coming-from-the-go-plugin.md has a section for each name in brackets"#]].assert_eq(&output.join("\n"));
}

#[tokio::test]
async fn a_node_without_differences_of_devices_is_a_success() {
    let config =
        r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eno2#0-1"]}}]}"#;
    let node = TestNode::with_config(NODE, RegistrationMode::Register, config);
    let (code, output, _) = node.run(&["check", "--migrate", "-o", "json"]).await;
    assert_eq!(code, Some(0), "{output}");
    let migration: Value = serde_json::from_str(&output).unwrap();
    let findings = migration["items"].as_array().unwrap();
    assert!(!findings.is_empty());
    for finding in findings {
        assert_eq!(finding["effect"], "information", "{finding}");
    }
}

#[tokio::test]
async fn a_key_of_an_extension_is_compared_for_the_device_type() {
    let config = r#"{"resourceList": [
        {"resourceName": "sf", "deviceType": "auxNetDevice", "selectors": {"auxTypes": ["sf"], "pKeys": ["0x8001"]}},
        {"resourceName": "vf", "selectors": {"pKeys": ["0x8001"]}}
    ]}"#;
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, config);
    node.provide_extensions();
    let (_, output, _) = node.run(&["check", "--migrate"]).await;
    let readings: Vec<&str> = output
        .lines()
        .filter(|line| line.contains("[selector-reading]"))
        .collect();
    assert_eq!(
        readings,
        ["`intel.com/sf`: `pKeys`: the Go plugin ignores the key [selector-reading]"]
    );
}

#[tokio::test]
async fn a_rejected_configuration_is_an_error() {
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, "{");
    let (code, output, errors) = node.run(&["check", "--migrate"]).await;
    assert_eq!((code, &*output), (Some(1), ""));
    assert!(errors.starts_with("error: "), "{errors}");
}
