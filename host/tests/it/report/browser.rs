//! The page of a report in a browser.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::report;
use crate::test_node::{RegistrationMode, TestNode};

const PFS: usize = 8;
const VFS: usize = 64;

/// `CHROMIUM`, or a name that packages give it.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"].map(PathBuf::from);
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    named.into_iter().chain(names).find(|name| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    })
}

/// Without its sandbox, which takes rights that a container lacks; the page is our own.
fn run(browser: &Path, home: &Path, page: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--hide-scrollbars",
        ])
        .args(["--window-size=1500,1300", "--virtual-time-budget=1000"])
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .env("HOME", home)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// 8 physical functions with 64 virtual ones each: half of them in pools, one physical function without a link.
fn tree() -> String {
    let mut tree = String::new();
    for pf in 0..PFS {
        let (bus, numa) = (0x40 + pf * 8, pf / 4);
        tree +=
            &format!("pf 0000:{bus:02x}:00.0 15b3:101d driver=mlx5_core net=pf{pf} numa={numa}\n");
        for vf in 0..VFS {
            let (slot, function) = (2 + vf / 8, vf % 8);
            tree += &format!(
                "vf 0000:{bus:02x}:{slot:02x}.{function} 15b3:101e pf=0000:{bus:02x}:00.0 id={vf} driver=mlx5_core net=pf{pf}v{vf}\n"
            );
        }
    }
    tree + "file /sys/class/net/pf2/carrier 0\n"
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_node_of_512_virtual_functions_is_drawn_in_light_and_dark() {
    let Some(browser) = browser() else {
        println!(
            "skipped: the page is not opened, because Chromium is not installed (Debian: 'apt-get install chromium', or CHROMIUM=PROGRAM)"
        );
        return;
    };
    let config = r#"{"resourceList": [
        {"resourceName": "a", "selectors": {"pfNames": ["pf0", "pf1", "pf2"]}},
        {"resourceName": "b", "selectors": {"pfNames": ["pf3#0-31", "pf4"]}}
    ]}"#;
    let node = TestNode::with_config(&tree(), RegistrationMode::Watcher, config);
    let (_, files) = report(&node).await;
    let home = tempfile::tempdir().unwrap();
    let page = home.path().join("report.html");
    std::fs::write(&page, &files["report.html"]).unwrap();

    let output = run(&browser, home.path(), &page, &["--dump-dom"]);
    let (dom, console) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    // Also where the browser refuses the style because its digest is not that of the policy.
    assert!(!console.contains("CONSOLE"), "{console}");
    let count = |part: &str| dom.matches(part).count();
    assert_eq!(count("<section class=\"numa\">"), 2);
    assert_eq!(count("<article class=\"pf\">"), PFS);
    assert_eq!(
        count("<li class=\"d "),
        PFS * (VFS + 1),
        "virtual functions, and each physical one"
    );
    assert_eq!(count("role=\"tooltip\"><strong>"), PFS * (VFS + 1));
    assert_eq!(count("<li class=\"d bad p0\""), VFS);
    assert_eq!(count("<li class=\"d free p0\""), 2 * VFS);
    assert_eq!(count("<li class=\"d free p1\""), VFS + 32);
    assert_eq!(
        count("the interface `pf2` of the physical function "),
        VFS + 1
    );

    let screenshot = |name: &str, scheme: &str| {
        let file = home.path().join(name);
        let arguments = [
            format!("--screenshot={}", file.display()),
            format!("--blink-settings=preferredColorScheme={scheme}"),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run(&browser, home.path(), &page, &arguments);
        std::fs::read(file).unwrap()
    };
    let (dark, light) = (screenshot("dark.png", "0"), screenshot("light.png", "1"));
    assert!(
        light.len() > 50_000 && dark.len() > 50_000,
        "{} and {} bytes",
        light.len(),
        dark.len()
    );
    assert_ne!(light, dark);
}
