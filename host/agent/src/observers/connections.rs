//! The connections of one socket: a new one is always served, if need be in place of the oldest.

use std::collections::VecDeque;

use tokio_util::task::AbortOnDropHandle;

/// Connections at a time. A client that works takes milliseconds, so the oldest of so many is one that does not.
const MAX_CONNECTIONS: usize = 16;

/// The tasks of the open connections, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Connections(VecDeque<AbortOnDropHandle<()>>);

impl Connections {
    pub(super) fn serve(&mut self, connection: impl Future<Output = ()> + Send + 'static) {
        self.0.retain(|task| !task.is_finished());
        if self.0.len() >= MAX_CONNECTIONS {
            self.0.pop_front();
        }
        let task = tokio::spawn(connection);
        self.0.push_back(AbortOnDropHandle::new(task));
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn the_oldest_connection_gives_way_to_a_new_one() {
        let mut connections = Connections::default();
        let mut ends = Vec::new();
        for _ in 0..=MAX_CONNECTIONS {
            let (open, end) = oneshot::channel::<()>();
            connections.serve(async move {
                let _open = open;
                std::future::pending().await
            });
            ends.push(end);
        }
        assert!(ends.remove(0).await.is_err(), "the first one is closed");
        for end in &mut ends {
            assert_eq!(end.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        }
    }
}
