//! Which pool has which device, by the selectors and by the kubelet's books.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sriovdp_sdk::DeviceId;
use tokio::time::Instant;

use super::log_on_change::LogOnChange;
use super::removal_reasons::{RemovalReasons, absences};
use super::retained::Retained;
use super::{Outcome, Reconciler};
use crate::config::ResourceName;
use crate::pools::{
    AssignedDevice, DiscoveredDevices, Fit, Health, OwnerByDevice, Pool, PoolDevice, Request,
    Resource, Scan, ScanError, assign, evaluate_health,
};
use sriovdp_kubelet::PodDevices;
use sriovdp_providers::Matches;
use sriovdp_report::inline;

/// The share of each resource; nothing for a resource about which a provider cannot speak now.
pub(super) type Assignments = Vec<Option<Assignment>>;

/// What one resource has.
pub(super) struct Assignment {
    pub(super) devices: Vec<PoolDevice>,
    /// Why it no longer has others.
    pub(super) absences: RemovalReasons,
}

/// The devices of each resource that are in its pool for their pods only, by its number and their ids.
type RetainedDevices = HashMap<(usize, DeviceId), Retained>;

/// What each selector of each resource admits, whoever has it.
pub(super) type MatchesOfAll = Vec<Vec<Matches>>;

/// What the selectors of all resources say.
struct SelectorMatches<'a> {
    resources: &'a [Arc<Resource>],
    scan: &'a Scan,
    matches: MatchesOfAll,
    /// The resources about which a provider does not answer now, and why.
    unknown: BTreeMap<usize, ScanError>,
}

impl Reconciler {
    /// Divides what the last scan found. The kubelet's books are read only when the outcome depends on them.
    pub(super) async fn divide(
        &mut self,
        resources: &[Arc<Resource>],
        now: Instant,
        look: &mut Outcome,
        saying: &mut LogOnChange,
    ) -> Assignments {
        let states: Vec<Arc<Pool>> = self.offered.states().collect();
        let mut claims = SelectorMatches::of(&self.scan, resources, &self.admitted).await;
        let mut members = claims.divide(&states, self.books.held());
        let waits = states.iter().any(|pool| pool.waits_for_pods(now));
        if self
            .books
            .refresh_due(now, claims.change(&states, &members), waits)
        {
            self.books.read(&self.settings.tree, now).await;
            members = claims.divide(&states, self.books.held());
        }
        if let Some(failure) = self.books.failure() {
            saying.warn(format!("{failure}; what was known before counts"));
        }
        let retained = loop {
            match self.retained(&claims, &members, &states).await {
                Ok(retained) => break retained,
                Err((n, error)) => {
                    claims.unknown.insert(n, error);
                    members = claims.divide(&states, self.books.held());
                }
            }
        };
        claims.log_unknown(&states, saying);
        let matter = !self.books.held().is_empty()
            && claims.divide(&states, &PodDevices::default()) != members;
        let mut shares = Vec::new();
        for (n, members) in members.into_iter().enumerate() {
            if claims.unknown.contains_key(&n) {
                shares.push(None);
                continue;
            }
            let before = state_of(&states, &resources[n].name);
            let devices = members.into_iter();
            let devices = devices.map(|member| self.pool_device(&claims, n, member, &retained));
            let devices: Vec<PoolDevice> = devices.collect();
            let absences = match before {
                Some(before) => absences(&self.scan, &resources[n], before, &devices).await,
                None => RemovalReasons::new(),
            };
            shares.push(Some(Assignment { devices, absences }));
        }
        self.is_settled &= claims.unknown.is_empty();
        let unknown = claims.unknown.iter();
        let unknown = unknown.map(|(&n, error)| (resources[n].name.clone(), inline(error)));
        look.unknown.extend(unknown);
        let matches = claims.matches;
        self.admitted = matches;
        self.books.set_relevant(matter);
        shares
    }

    /// What the selectors say about each device that is in a pool for its pod only; the number of the resource with an
    /// error, when a provider cannot say it.
    async fn retained(
        &self,
        claims: &SelectorMatches<'_>,
        members: &[Vec<AssignedDevice<'_>>],
        states: &[Arc<Pool>],
    ) -> Result<RetainedDevices, (usize, ScanError)> {
        let mut all = RetainedDevices::new();
        let known = members.iter().enumerate();
        for (n, members) in known.filter(|(n, _)| !claims.unknown.contains_key(n)) {
            let resource = &claims.resources[n];
            for member in members.iter().filter(|member| member.selector.is_none()) {
                let id = &member.device.id;
                let before = state_of(states, &resource.name);
                let retained = Retained::of(&self.scan, resource, id.as_str(), before).await;
                let retained = retained.map_err(|error| (n, error))?;
                all.insert((n, id.clone()), retained);
            }
        }
        Ok(all)
    }

    fn pool_device(
        &self,
        claims: &SelectorMatches<'_>,
        n: usize,
        member: AssignedDevice<'_>,
        retained: &RetainedDevices,
    ) -> PoolDevice {
        let resource = &claims.resources[n];
        let found = member.device;
        let retained = retained.get(&(n, found.id.clone()));
        let selector = member
            .selector
            .or_else(|| retained.and_then(|retained| retained.selector));
        let against = match (member.selector, retained) {
            (Some(selector), _) => {
                let matches = &claims.matches[n][selector];
                matches.findings.get(&found.id)
            }
            (None, retained) => retained.map(|retained| &retained.findings),
        };
        let general = selector.map(|n| self.scan.findings(&resource.selectors[n], found));
        let findings = against.into_iter().flatten();
        let findings = findings.chain(general.into_iter().flatten());
        PoolDevice {
            id: found.id.clone(),
            function: found.function,
            physical_function: found.physical_function,
            numa_node: found.numa_node,
            health: match retained.and_then(Retained::mismatch) {
                Some(reason) => Health::Unhealthy(reason),
                None => {
                    evaluate_health(findings, self.links.is_flapping(&found.id), resource.health)
                }
            },
            selector,
            fit: retained.map_or(Fit::Matches, |retained| retained.fit.clone()),
        }
    }
}

impl<'a> SelectorMatches<'a> {
    async fn of(scan: &'a Scan, resources: &'a [Arc<Resource>], before: &MatchesOfAll) -> Self {
        let mut claims = Self {
            resources,
            scan,
            matches: Vec::new(),
            unknown: BTreeMap::new(),
        };
        for (n, resource) in resources.iter().enumerate() {
            let mut alternatives = Vec::new();
            for (m, selector) in resource.selectors.iter().enumerate() {
                let before = before.get(n).and_then(|selectors| selectors.get(m));
                match scan.select(&resource.device_type, selector, before).await {
                    Ok(admitted) => alternatives.push(admitted),
                    Err(error) => {
                        claims.unknown.insert(n, error);
                        break;
                    }
                }
            }
            claims.matches.push(alternatives);
        }
        claims
    }

    /// One line for each: what is offered stays as it is, and what is not offered yet waits.
    fn log_unknown(&self, states: &[Arc<Pool>], saying: &mut LogOnChange) {
        for (&n, error) in &self.unknown {
            let resource = &self.resources[n];
            let (name, error) = (&resource.name, inline(error));
            saying.warn(match state_of(states, &resource.name) {
                Some(_) => format!("the pool `{name}` keeps its devices: {error}"),
                None => format!("the resource `{name}` is not offered yet: {error}"),
            });
        }
    }

    fn divide<'s>(
        &'s self,
        states: &'s [Arc<Pool>],
        held: &PodDevices,
    ) -> Vec<Vec<AssignedDevice<'s>>> {
        // A pool that keeps its devices keeps them from others too.
        let keeping = self.unknown.keys();
        let keeping = keeping.filter_map(|&n| state_of(states, &self.resources[n].name));
        let kept = keeping.flat_map(|pool| pool.devices.iter().map(|device| device.id.as_str()));
        static NONE: DiscoveredDevices = DiscoveredDevices::NONE;
        let resources = self.resources.iter().zip(&self.matches);
        let requests = resources.map(|(resource, matches)| Request {
            devices: self.scan.found(&resource.device_type).unwrap_or(&NONE),
            matches,
        });
        let requests: Vec<Request<'_>> = requests.collect();
        assign(&requests, kept, &self.holders(held))
    }

    fn holders<'h>(&self, held: &'h PodDevices) -> OwnerByDevice<'h> {
        let names = self.resources.iter().map(|r| r.name.to_string());
        let positions: HashMap<String, usize> = names.zip(0..).collect();
        let holders = held.iter().map(|(id, holders)| {
            let known = holders.iter().filter_map(|name| positions.get(name));
            (id, known.min().copied())
        });
        holders.collect()
    }

    /// Whether a device joins or leaves a pool, or all do with their pool.
    fn change(&self, states: &[Arc<Pool>], members: &[Vec<AssignedDevice<'_>>]) -> bool {
        let known = (0..self.resources.len()).filter(|n| !self.unknown.contains_key(n));
        let names: HashSet<&ResourceName> = self.resources.iter().map(|r| &r.name).collect();
        let is_withdrawn = states
            .iter()
            .any(|pool| !names.contains(&pool.resource.name));
        is_withdrawn
            || known.into_iter().any(|n| {
                let state = state_of(states, &self.resources[n].name);
                let before = state.map_or(&[][..], |pool| &pool.devices);
                let present =
                    |device: &&PoolDevice| !matches!(device.health, Health::Removed { .. });
                let is_new = |member: &AssignedDevice<'_>| {
                    let known = state.and_then(|pool| pool.device(member.device.id.as_str()));
                    !known.is_some_and(|device| present(&device))
                };
                before.iter().filter(present).count() != members[n].len()
                    || members[n].iter().any(is_new)
            })
    }
}

/// The pool of a resource among `states`, which are in the order of their names.
pub(super) fn state_of<'a>(states: &'a [Arc<Pool>], name: &ResourceName) -> Option<&'a Pool> {
    let at = states.binary_search_by(|pool| pool.resource.name.cmp(name));
    at.ok().map(|at| states[at].as_ref())
}
