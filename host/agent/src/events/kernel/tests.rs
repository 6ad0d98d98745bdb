//! Real messages of the kernel, about the interfaces of a network namespace that belongs to the test.

use std::process::Command;
use std::time::Duration;

use rustix::net::SendFlags;

use super::*;
use crate::events::ReconcileScope;

/// Long enough for a loaded machine, and never waited for when all is well.
const BOUND: Duration = Duration::from_secs(30);
const INSIDE: &str = "SRIOVDP_TEST_IN_NAMESPACE";
/// The loopback interface has this index in each namespace.
const LOOPBACK: i32 = 1;

#[test]
fn changes_of_links_are_received() {
    inside(
        "changes_of_links_are_received",
        async |events, mut changes| {
            let running = tokio::spawn(events.run());
            bring_loopback(true);
            changed(&mut changes).await;
            bring_loopback(false);
            changed(&mut changes).await;
            running.abort();
        },
    );
}

#[test]
fn lost_events_make_the_reconcile_full() {
    inside(
        "lost_events_make_the_reconcile_full",
        async |mut events, mut changes| {
            // The kernel makes the smallest that it allows of this.
            set_socket_recv_buffer_size(&events.links, 1).unwrap();
            for _ in 0..100 {
                bring_loopback(true);
                bring_loopback(false);
            }
            events.links.readable().await.unwrap();
            events.drain().unwrap();
            assert!(events.overflow_logged);
            changed(&mut changes).await;
            assert_eq!(
                events.changes().borrow().clone().take(),
                ReconcileScope::Full
            );
        },
    );
}

async fn changed(changes: &mut watch::Receiver<PendingChanges>) {
    tokio::time::timeout(BOUND, changes.changed())
        .await
        .expect("an event")
        .unwrap();
}

/// Runs `test` in a child process of this test in new user and network namespaces, where these can be created.
fn inside(name: &str, test: impl AsyncFnOnce(KernelEvents, watch::Receiver<PendingChanges>)) {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        return runtime.block_on(async {
            let subsystems = watch::Sender::new(Some(BTreeSet::new()));
            let events = KernelEvents::open(subsystems.subscribe()).unwrap();
            let changes = events.changes().subscribe();
            test(events, changes).await;
        });
    }
    let namespaces = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net", "--"]);
        command
    };
    if !namespaces()
        .arg("true")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        #[allow(clippy::print_stdout, reason = "for the output of the test")]
        let () = println!("skipped: `unshare` cannot make user and network namespaces here");
        return;
    }
    let again = namespaces()
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("events::kernel::tests::{name}"),
            "--nocapture",
        ])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&again.stdout);
    assert!(
        again.status.success() && output.contains("1 passed"),
        "{output}{}",
        String::from_utf8_lossy(&again.stderr)
    );
}

/// The request of `ip link set lo up` or `down`.
fn bring_loopback(up: bool) {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    const IFF_UP: u32 = 1;
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    let mut body = [0; 16];
    body[4..8].copy_from_slice(&LOOPBACK.to_ne_bytes());
    body[8..12].copy_from_slice(&(if up { IFF_UP } else { 0 }).to_ne_bytes());
    body[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
    let request = sriovdp_netlink::message(RTM_NEWLINK, NLM_F_REQUEST, 1, &body);
    rustix::net::send(&socket, &request, SendFlags::empty()).unwrap();
}
