//! `sriovdp health`: queries the running daemon over its local socket, for the kubelet's probes.
//!
//! Texts and exit codes of `liveness` and `readiness` are those that the Go plugin proposes
//! (k8snetworkplumbingwg/sriov-network-device-plugin#718).

use std::path::Path;

use super::Output;
use super::daemon::query;
use crate::cli::HealthCheck;
use sriovdp_agent::observers::{Check, Liveness, Readiness, RegisteredResources};

pub(super) async fn health(output: &mut Output, check: HealthCheck, directory: &Path) {
    let checked = match check {
        HealthCheck::Liveness => query(directory, Check::Liveness)
            .await
            .map(|answer| liveness(&answer)),
        HealthCheck::Readiness => query(directory, Check::Readiness)
            .await
            .map(|answer| readiness(&answer)),
        HealthCheck::Registered => query(directory, Check::Registered)
            .await
            .map(|answer| registration(&answer)),
    };
    match checked {
        Ok(Ok(text)) => output.line(format_args!("OK: {text}")),
        Ok(Err(text)) => {
            output.line(format_args!("NOT READY: {text}"));
            output.fail();
        }
        Err(error) => output.no_answer(&error),
    }
}

/// The text behind the verdict: ready, or not.
type Verdict = Result<String, String>;

fn liveness(answer: &Liveness) -> Verdict {
    match answer.status.as_str() {
        "alive" => Ok("daemon is alive".to_owned()),
        status => Err(format!("daemon is {status}")),
    }
}

fn readiness(answer: &Readiness) -> Verdict {
    let (healthy, total) = (answer.healthy_count, answer.total_count);
    match answer.ready {
        true => Ok(format!("ready ({healthy}/{total} devices healthy)")),
        false => Err(format!("no healthy devices ({healthy}/{total})")),
    }
}

fn registration(answer: &RegisteredResources) -> Verdict {
    match answer.ready {
        true => Ok(answer.summary()),
        false => Err(answer.summary()),
    }
}
