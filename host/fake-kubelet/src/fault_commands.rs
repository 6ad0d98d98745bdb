//! The faults that a test can inject.

use std::path::Path;

use crate::config::Authority;
use crate::error::Error;
use crate::kubelet::FakeKubelet;
use crate::node;
use crate::program::Command;

impl FakeKubelet {
    /// Removes the plugin's socket or registration socket.
    pub fn delete_socket(&self, resource: &str) -> Result<(), Error> {
        let view = self.resource(resource);
        let view = view.ok_or_else(|| Error::UnknownResource {
            resource: resource.to_owned(),
        })?;
        node::remove_socket(&view.socket)
    }

    /// Removes all sockets of plugins.
    pub fn delete_all_sockets(&self) -> Result<(), Error> {
        let node = self.node();
        let remove_but_ours = |dir: &Path| {
            let sockets = node::entries(dir)?;
            sockets
                .iter()
                .filter(|path| node::is_socket(path) && **path != node.kubelet_socket())
                .try_for_each(|path| node::remove_socket(path))
        };
        remove_but_ours(&node.device_plugins())?;
        if node.plugins_registry().is_dir() {
            remove_but_ours(&node.plugins_registry())?;
        }
        Ok(())
    }

    /// From now on, `Register` calls hang, for ever.
    pub fn never_answer(&self, never: bool) {
        self.shared.faults().never_answer = never;
    }

    /// From now on, refuses every registration with this message.
    pub fn refuse_registration(&self, message: Option<&str>) {
        self.shared.faults().refuse_registration = message.map(str::to_owned);
    }

    /// Cancels the stream of a resource from the kubelet's side, as real kubelets may.
    pub fn cancel_stream(&self, resource: &str) -> Result<(), Error> {
        if let Some(program) = self.program() {
            program.notify(Command::Disconnect(resource.to_owned()));
            return Ok(());
        }
        let cancelled = self.shared.update(|state| state.cancel(resource));
        if !cancelled {
            return Err(Error::UnknownResource {
                resource: resource.to_owned(),
            });
        }
        Ok(())
    }

    /// Repeats the creation events of all sockets, which makes the watcher register them again.
    pub fn duplicate_watcher_events(&self) {
        self.shared.duplicate_events.notify_one();
    }

    /// From now on, supports this version of the device plugin API only.
    pub fn advertise_version(&self, version: &str) {
        version.clone_into(&mut self.shared.faults().version);
    }

    /// From now on, the watcher uses this `:authority`.
    pub fn authority(&self, authority: Authority) {
        self.shared.faults().authority = authority;
    }

    /// From now on, the watcher writes its calls in pieces of so many bytes.
    pub fn write_in_chunks(&self, bytes: Option<usize>) {
        self.shared.faults().chunk = bytes;
    }
}
