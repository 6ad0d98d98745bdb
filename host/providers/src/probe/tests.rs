//! The probe, with a thread in place of its process.

use std::io::Write;
use std::os::unix::net::UnixStream as Peer;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

use rustix::io::Errno;
use tokio::net::UnixStream;

use super::*;

/// No other process can be started.
const NO_PROGRAM: &str = "/no/such/program";

/// A process whose answers `peer` sends.
fn answered_by(peer: impl FnOnce(Peer) + Send + 'static) -> ProbeProcess {
    let (socket, of_peer) = UnixStream::pair().unwrap();
    let of_peer = of_peer.into_std().unwrap();
    of_peer.set_nonblocking(false).unwrap();
    thread::spawn(move || peer(of_peer));
    ProbeProcess {
        child: tokio::process::Command::new("true").spawn().unwrap(),
        socket,
    }
}

fn send(peer: &mut Peer, number: i32) {
    peer.write_all(&number.to_le_bytes()).unwrap();
}

/// In a group of its own, as a fork is.
#[allow(clippy::zombie_processes, reason = "the probe reaps it")]
fn fork() -> i32 {
    let mut sleeps = Command::new("sleep");
    let sleeps = sleeps.arg("600").process_group(0).spawn().unwrap();
    sleeps.id().try_into().unwrap()
}

fn is_reaped(fork: i32) -> bool {
    let fork = Pid::from_raw(fork);
    let waited = rustix::process::waitpid(fork, WaitOptions::NOHANG);
    waited.is_err_and(|error| error == Errno::CHILD)
}

fn probes(limit: Duration, process: ProbeProcess) -> Probes {
    let probes = Probes::new(NO_PROGRAM.into(), limit);
    *probes.process.try_lock().unwrap() = Some(process);
    probes
}

async fn refusal(probes: &Probes) -> ProviderError {
    let file = tempfile::tempfile().unwrap();
    let (copy, _) = SealedCopy::of("x", &file, 0, &[]).unwrap();
    probes.probe(&copy).await.unwrap_err()
}

#[tokio::test]
async fn a_process_that_works_is_not_replaced() {
    let probes = Probes::new("true".into(), Duration::ZERO);
    let id = || {
        probes.prepare();
        let process = probes.process.try_lock().unwrap();
        process.as_ref().unwrap().child.id().unwrap()
    };
    assert_eq!(id(), id());
}

/// Whatever the process is, the file has not run.
#[tokio::test(start_paused = true)]
async fn a_process_that_does_not_fork_is_no_verdict_about_the_file() {
    let hangs = |mut peer: Peer| drop(io::copy(&mut peer, &mut io::sink()));
    let ends = |peer: Peer| drop(Request::receive(&peer));
    for process in [answered_by(hangs), answered_by(ends)] {
        let refusal = refusal(&probes(Duration::ZERO, process)).await;
        assert!(
            matches!(refusal, ProviderError::NoProbe { .. }),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn a_fork_that_outlives_the_process_is_reaped_and_no_verdict_about_the_file() {
    let fork = fork();
    let process = answered_by(move |mut peer| {
        let probe = Request::receive(&peer);
        send(&mut peer, fork);
        drop(probe);
        drop(Request::receive(&peer));
    });
    let refusal = refusal(&probes(Duration::from_secs(60), process)).await;
    assert!(
        matches!(refusal, ProviderError::NoProbe { .. }),
        "{refusal}"
    );
    assert!(is_reaped(fork));
}

/// A query that is interrupted would end the process, and with it the forks of other files.
#[tokio::test]
async fn the_timeout_of_a_fork_leaves_the_process_as_it_is() {
    const LIMIT: Duration = Duration::from_millis(5);
    let fork = fork();
    let process = answered_by(move |mut peer| {
        let probe = Request::receive(&peer);
        send(&mut peer, fork);
        drop(probe);
        for answer in [RUNS, 0] {
            drop(Request::receive(&peer));
            thread::sleep(2 * LIMIT);
            send(&mut peer, answer);
        }
        drop(Request::receive(&peer));
    });
    let probes = probes(LIMIT, process);
    let refusal = refusal(&probes).await;
    assert!(matches!(refusal, ProviderError::Hangs { .. }), "{refusal}");
    assert!(probes.process.lock().await.is_some());
    assert!(is_reaped(fork));
}
