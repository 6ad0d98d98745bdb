//! Which pool has which device, by the selectors and by the kubelet's books.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::Reconciler;
use super::absence::{Absences, absences};
use super::saying::Saying;
use crate::kubelet::Held;
use crate::pools::{
    Admitted, Health, Holders, Member, Pool, PoolDevice, Request, Resource, Scan, assign, judge,
};
use crate::report::one_line;

/// The share of each resource; nothing for a resource about which a provider cannot speak now.
pub(super) type Shares = Vec<Option<Share>>;

/// What one resource has.
pub(super) struct Share {
    pub(super) devices: Vec<PoolDevice>,
    /// Why it no longer has others.
    pub(super) absences: Absences,
}

/// What each selector of each resource admits, whoever has it.
pub(super) type AdmittedByAll = Vec<Vec<Admitted>>;

/// What the selectors of all resources say.
struct Claims<'a> {
    resources: &'a [Arc<Resource>],
    requests: Vec<Request<'a>>,
    /// What else is known for each selector; the positions are in `requests`.
    selected: AdmittedByAll,
    /// The resources about which a provider cannot speak now.
    unknown: BTreeSet<usize>,
}

impl Reconciler {
    /// Divides what the last scan found. The kubelet's books are read only when the outcome depends on them.
    pub(super) async fn divide(
        &mut self,
        resources: &[Arc<Resource>],
        now: Instant,
        saying: &mut Saying,
    ) -> Shares {
        let states: Vec<Arc<Pool>> = self.offered.states().collect();
        let claims = Claims::of(&self.scan, resources, &self.admitted, saying).await;
        let mut members = claims.divide(&states, self.books.held());
        let waits = states.iter().any(|pool| pool.waits_for_pods(now));
        if self
            .books
            .are_due(now, claims.change(&states, &members), waits)
        {
            self.books.read(&self.settings.tree, now).await;
            members = claims.divide(&states, self.books.held());
        }
        if let Some(failure) = self.books.failure() {
            saying.warn(format!("{failure}; what was known before counts"));
        }
        let matter =
            !self.books.held().is_empty() && claims.divide(&states, &Held::default()) != members;
        let mut shares = Vec::new();
        for (n, members) in members.into_iter().enumerate() {
            if claims.unknown.contains(&n) {
                shares.push(None);
                continue;
            }
            let before = state_of(&states, &resources[n]);
            let mut devices = Vec::with_capacity(members.len());
            for member in members {
                let device = self.pool_device(&claims, n, member, before).await;
                devices.push(device);
            }
            let absences = match before {
                Some(before) => absences(&self.scan, &resources[n], before, &devices).await,
                None => Absences::new(),
            };
            shares.push(Some(Share { devices, absences }));
        }
        self.is_settled &= claims.unknown.is_empty();
        self.admitted = claims.into_admitted();
        self.books.note_whether_they_matter(matter);
        shares
    }

    async fn pool_device(
        &self,
        claims: &Claims<'_>,
        n: usize,
        member: Member,
        before: Option<&Pool>,
    ) -> PoolDevice {
        let resource = &claims.resources[n];
        let found = &claims.requests[n].devices[member.position as usize];
        let id = found.id.as_str();
        let (selector, against) = match member.selector {
            Some(selector) => {
                let against = claims.selected[n][selector].findings.get(id);
                (selector, against.cloned().unwrap_or_default())
            }
            None => {
                let selector = self.likely_selector(resource, id, before).await;
                let against = self.scan.against(&resource.selectors[selector], id).await;
                (selector, against)
            }
        };
        let findings = self.scan.findings(&resource.selectors[selector], found);
        let findings = against.iter().chain(findings);
        PoolDevice {
            id: found.id.clone(),
            function: found.function,
            physical_function: found.physical_function,
            numa_node: found.numa_node,
            health: judge(findings, self.links.is_restless(&found.id), resource.health),
            selector,
            only_held: member.selector.is_none(),
        }
    }

    /// The selector that admitted a device when no pod had it yet: as far as this process knows, or else the first one
    /// whose owner's part fits still, or else the first one for which nothing speaks against the device.
    async fn likely_selector(&self, resource: &Resource, id: &str, before: Option<&Pool>) -> usize {
        let same = before.filter(|pool| pool.resource.selectors == resource.selectors);
        if let Some(device) = same.and_then(|pool| pool.device(id)) {
            return device.selector;
        }
        for (n, selector) in resource.selectors.iter().enumerate() {
            if let Ok(None) = self.scan.why_not(&selector.owners_part(), id).await {
                return n;
            }
        }
        for (n, selector) in resource.selectors.iter().enumerate() {
            if self.scan.against(selector, id).await.is_empty() {
                return n;
            }
        }
        0
    }
}

impl<'a> Claims<'a> {
    async fn of(
        scan: &'a Scan,
        resources: &'a [Arc<Resource>],
        before: &AdmittedByAll,
        saying: &mut Saying,
    ) -> Self {
        let mut claims = Self {
            resources,
            requests: Vec::new(),
            selected: AdmittedByAll::new(),
            unknown: BTreeSet::new(),
        };
        for (n, resource) in resources.iter().enumerate() {
            let (mut alternatives, mut selected) = (Vec::new(), Vec::new());
            for (m, selector) in resource.selectors.iter().enumerate() {
                let before = before.get(n).and_then(|selectors| selectors.get(m));
                match scan.select(&resource.device_type, selector, before).await {
                    Ok(mut admitted) => {
                        alternatives.push(std::mem::take(&mut admitted.positions));
                        selected.push(admitted);
                    }
                    Err(error) => {
                        saying.warn(format!(
                            "the pool `{}` keeps its devices: {}",
                            resource.name,
                            one_line(&error)
                        ));
                        claims.unknown.insert(n);
                    }
                }
            }
            claims.selected.push(selected);
            let found = scan.found(&resource.device_type);
            claims.requests.push(Request {
                devices: found.map_or(&[], |found| &found.devices),
                alternatives,
            });
        }
        claims
    }

    fn into_admitted(self) -> AdmittedByAll {
        let alternatives = self
            .requests
            .into_iter()
            .map(|request| request.alternatives);
        let by_resource = alternatives.zip(self.selected);
        by_resource
            .map(|(alternatives, selected)| {
                let by_selector = alternatives.into_iter().zip(selected);
                by_selector
                    .map(|(positions, selected)| Admitted {
                        positions,
                        ..selected
                    })
                    .collect()
            })
            .collect()
    }

    fn divide(&self, states: &[Arc<Pool>], held: &Held) -> Vec<Vec<Member>> {
        // A pool that keeps its devices keeps them from others too.
        let keeping = self.unknown.iter();
        let keeping = keeping.filter_map(|&n| state_of(states, &self.resources[n]));
        let kept = keeping.flat_map(|pool| pool.devices.iter().map(|device| device.id.as_str()));
        assign(&self.requests, kept, &self.holders(held))
    }

    fn holders<'h>(&self, held: &'h Held) -> Holders<'h> {
        let names: Vec<String> = self.resources.iter().map(|r| r.name.to_string()).collect();
        let holders = held.iter().map(|(id, holders)| {
            let first = names.iter().position(|name| holders.contains(name));
            (id, first)
        });
        holders.collect()
    }

    /// Whether a device joins or leaves a pool, or all do with their pool.
    fn change(&self, states: &[Arc<Pool>], members: &[Vec<Member>]) -> bool {
        let known = (0..self.resources.len()).filter(|n| !self.unknown.contains(n));
        let is_offered =
            |pool: &Arc<Pool>| self.resources.iter().any(|r| r.name == pool.resource.name);
        let is_withdrawn = states.iter().any(|pool| !is_offered(pool));
        is_withdrawn
            || known.into_iter().any(|n| {
                let state = state_of(states, &self.resources[n]);
                let before = state.map_or(&[][..], |pool| &pool.devices);
                let present = |device: &&PoolDevice| !matches!(device.health, Health::Left { .. });
                let is_new = |member: &Member| {
                    let id = self.requests[n].devices[member.position as usize]
                        .id
                        .as_str();
                    let known = state.and_then(|pool| pool.device(id));
                    !known.is_some_and(|device| present(&device))
                };
                before.iter().filter(present).count() != members[n].len()
                    || members[n].iter().any(is_new)
            })
    }
}

fn state_of<'a>(states: &'a [Arc<Pool>], resource: &Resource) -> Option<&'a Pool> {
    let mut states = states.iter();
    let state = states.find(|pool| pool.resource.name == resource.name);
    state.map(Arc::as_ref)
}
