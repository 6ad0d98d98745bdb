//! The selector `enableExporterHealthCheck` for `netDevice`: the health of functions on the driver `ionic`, which AMD's Device
//! Metrics Exporter measures and reports over gRPC on a unix socket.

mod exporter;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use sriovdp_sdk::prelude::*;
use sriovdp_sdk::{Finding, FindingKind};

const DRIVER: &str = "ionic";

#[derive(Default)]
struct IonicHealth {
    /// Why the last discovery has no answer of the exporter.
    failure: Mutex<Option<Error>>,
}

#[selectors]
#[serde(rename_all = "camelCase")]
struct Selectors {
    /// `true`: a function on the driver `ionic` that the metrics exporter reports as unhealthy is unhealthy. It selects
    /// nothing.
    enable_exporter_health_check: bool,
}

impl Provider for IonicHealth {
    type Selectors = Selectors;
    /// What the exporter has reported about the function, if it is not healthy.
    type Facts = Option<Finding>;

    fn manifest(&self) -> Manifest {
        Manifest::extension(
            &["netDevice"],
            "Health of ionic functions from their exporter",
        )
    }

    /// One query for all functions. Without an answer no function is unhealthy: an exporter that is down must not take the
    /// devices of the node away.
    fn discover(&self, node: &Node) -> Result<Discovery<Option<Finding>>, Error> {
        let is_ionic = |function| {
            let function = node.function(function);
            function.is_some_and(|function| function.driver.as_deref() == Some(DRIVER))
        };
        let mut devices = node.devices().iter();
        let reported = match devices.any(|device| device.function.is_some_and(&is_ionic)) {
            true => exporter::unhealthy(node),
            false => Ok(exporter::Unhealthy::default()),
        };
        *self.failure() = reported.as_ref().err().cloned();
        let reported = reported.unwrap_or_default();
        let finding = |function: sriovdp_sdk::PciAddress| {
            let state = reported.get(&function)?;
            let reason = format!("its metrics exporter reports the state `{state}`");
            is_ionic(function).then(|| Finding::new(FindingKind::Other, reason))
        };
        let devices = node.devices().iter();
        let found =
            devices.map(|device| Device::extending(device, device.function.and_then(&finding)));
        Ok(found.collect())
    }

    fn matches(&self, _: &Selectors, _: &Device<Option<Finding>>) -> Result<(), Mismatch> {
        Ok(())
    }

    fn findings(&self, selectors: &Selectors, device: &Device<Option<Finding>>) -> Vec<Finding> {
        let finding = device.facts.iter();
        finding
            .filter(|_| selectors.enable_exporter_health_check)
            .cloned()
            .collect()
    }

    /// The host calls this for each selector object of each reconcile, so it makes no query of its own.
    fn warnings(&self, _: &Node, selectors: &Selectors) -> Vec<Error> {
        let failure = self.failure().clone();
        let failure = failure.filter(|_| selectors.enable_exporter_health_check);
        let failed = failure.map(|error| {
            error
                .context("`enableExporterHealthCheck` has no effect now")
                .with_hint("start the metrics exporter on this node")
        });
        failed.into_iter().collect()
    }

    fn allocate(
        &self,
        _: &Node,
        _: &Selectors,
        _: &Device<Option<Finding>>,
    ) -> Result<Allocation, Error> {
        Ok(Allocation::default())
    }
}

impl IonicHealth {
    fn failure(&self) -> MutexGuard<'_, Option<Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

export_provider!(IonicHealth);
