//! The first half of a look: the PCI bus is read, and the providers say what is on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use sriovdp_pci_scan::Bus;
use sriovdp_sdk::{Error, HostRoot, PciAddress};
use tokio::time::Instant;

use super::log_on_change::LogOnChange;
use super::{Outcome, Reconciler};
use crate::pools::{NodeNow, Resource, ScanError};
use sriovdp_providers::blocking;
use sriovdp_report::inline;

impl Reconciler {
    /// Looks at the node, or at what is behind the functions `touched` where the last look is one to go on from: it
    /// knew everything, and was about the same resources. What it cannot see stays as it was, and is logged and
    /// reported in `look`.
    pub(super) async fn scan_node_and_devices(
        &mut self,
        resources: &[Arc<Resource>],
        touched: Option<&BTreeSet<PciAddress>>,
        look: &mut Outcome,
        saying: &mut LogOnChange,
    ) {
        let touched = touched.filter(|_| self.is_settled && resources == self.resources);
        let touched = touched.map(|touched| self.unread.with(touched, Instant::now()));
        let mut touched = touched.as_ref();
        let mut surveyed = self.scan_node(resources, touched).await;
        if touched.is_some() && !surveyed.as_ref().is_ok_and(Vec::is_empty) {
            touched = None;
            surveyed = self.scan_node(resources, None).await;
        }
        self.unread.scanned(self.scan.unread(), Instant::now());
        self.is_settled = surveyed.as_ref().is_ok_and(Vec::is_empty);
        look.failures = match surveyed {
            Ok(failures) => {
                for error in &failures {
                    saying.warn(inline(error));
                }
                failures
            }
            // What was found before still counts: nobody's devices leave because a file could not be opened.
            Err(error) => {
                saying.error(inline(&error));
                vec![error]
            }
        };
        look.was_whole = touched.is_none();
    }

    async fn scan_node(
        &mut self,
        resources: &[Arc<Resource>],
        touched: Option<&BTreeSet<PciAddress>>,
    ) -> Result<Vec<ScanError>, ScanError> {
        let bus = self.read_bus(touched.cloned()).await;
        let bus = bus.map_err(ScanError::of_bus)?;
        let part = bus.part;
        self.functions = bus.functions.into();
        self.unread.read_bus(part.as_ref(), bus.unread);
        let node = NodeNow {
            root: &self.settings.tree.root().display().to_string(),
            functions: &self.functions,
            part: part.as_ref(),
        };
        let next = self
            .scan
            .next(&mut self.pending, &self.providers, resources, node);
        self.scan = next.await;
        Ok(self.scan.failures().to_vec())
    }

    async fn read_bus(&self, touched: Option<BTreeSet<PciAddress>>) -> Result<Bus, Error> {
        let root = HostRoot::new(self.settings.tree.root());
        let before = Arc::clone(&self.functions);
        let read = blocking::run(move || match touched {
            Some(touched) => sriovdp_pci_scan::rescan(&root, &before, &touched),
            None => sriovdp_pci_scan::scan(&root, &before),
        });
        read.await
    }
}
