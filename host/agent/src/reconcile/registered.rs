//! The task of a published pool: it is registered, and again when what its registration announces has changed.

use std::sync::Arc;

use sriovdp_kubelet::{RegistrationMode, ResourceServer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::pools::Pool;

/// Serves a pool until `stop`. A kubelet reads once, as it registers the pool, whether containers have to be prepared
/// before they start. The streams of a registration have ended when the next one begins, and the devices stay as they
/// are.
pub(super) async fn serve(
    server: ResourceServer,
    mut state: watch::Receiver<Arc<Pool>>,
    mode: RegistrationMode,
    stop: CancellationToken,
) {
    loop {
        // Before the server reads it, so that no change is missed.
        let announced = state.borrow_and_update().resource.has_pre_start();
        let end = stop.child_token();
        let mut run = Box::pin(server.clone().run(mode, end.clone()));
        let changed = state.wait_for(|pool| pool.resource.has_pre_start() != announced);
        let is_changed = tokio::select! {
            () = &mut run => return,
            changed = changed => changed.is_ok(),
        };
        if !is_changed {
            // The pool is withdrawn, and `stop` ends the server.
            return run.await;
        }
        end.cancel();
        run.await;
        if stop.is_cancelled() {
            return;
        }
        tracing::info!(
            event = "registration_renewed",
            pre_start = !announced,
            "the providers of the pool do or do not prepare containers any more; registering again"
        );
        server.status.send_modify(|status| {
            status.registered_since = None;
            status.has_stream = false;
        });
    }
}
