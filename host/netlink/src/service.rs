//! The threads that query the kernel, and the timeouts of their callers.

use std::fmt::Debug;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use rustix::net::Protocol;
use rustix::net::netlink::GENERIC;

use serde_json::Value;
use sriovdp_provider_abi::wire::DevlinkQuestion;

use super::socket::NetlinkSocket;
use super::{NetlinkError, devlink, routes};

/// The timeout of one query, within the ten seconds of a provider's discovery.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// Enough to parse messages of some kilobytes.
const STACK: usize = 256 * 1024;

/// The response of devlink as JSON; nothing for an unknown question.
pub fn devlink(question: &str) -> Option<String> {
    // Providers call the host through a plain function of the ABI, which carries no state.
    static SERVICE: Started<DevlinkQuestion> = Started::not_yet("devlink");
    let question: DevlinkQuestion = serde_json::from_str(question).ok()?;
    let service =
        SERVICE.get_or_start(|| Service::over_netlink("devlink", Some(GENERIC), devlink::query));
    let answer = service.map_or(Value::Null, |service| {
        service.query(question, QUERY_TIMEOUT)
    });
    Some(answer.to_string())
}

/// The interfaces of the default routes, as JSON. After a timeout this is the previous response, since an interface that
/// carries the node's traffic must not be allocated because the kernel was slow once.
pub fn default_routes() -> String {
    static SERVICE: Started<()> = Started::not_yet("routes");
    static LAST: Mutex<Value> = Mutex::new(Value::Null);
    let service = SERVICE.get_or_start(|| {
        Service::over_netlink("routes", None, |socket, ()| routes::default_routes(socket))
    });
    let answer = service.map_or(Value::Null, |service| service.query((), QUERY_TIMEOUT));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if !answer.is_null() {
        *last = answer;
    }
    last.to_string()
}

/// Queries the kernel over a socket that is reused until it fails.
fn answer<Q: Debug>(
    socket: &mut Option<NetlinkSocket>,
    family: Option<Protocol>,
    question: &Q,
    query: impl Fn(&mut NetlinkSocket, &Q) -> Result<Value, NetlinkError>,
) -> Value {
    let answer = match socket {
        Some(open) => query(open, question),
        None => {
            NetlinkSocket::open(family).and_then(|opened| query(socket.insert(opened), question))
        }
    };
    answer.unwrap_or_else(|error| {
        tracing::debug!(
            event = "netlink_query_failed",
            ?question,
            error = sriovdp_report::inline(&error),
            "a query of the kernel failed"
        );
        if !matches!(error, NetlinkError::Refused(_)) {
            *socket = None;
        }
        Value::Null
    })
}

/// A service that starts with its first query, or with a later one if the system starts no thread.
struct Started<Q> {
    subject: &'static str,
    service: OnceLock<Service<Q>>,
    /// Whether the log has the reason why it does not start.
    is_logged: AtomicBool,
}

impl<Q> Started<Q> {
    const fn not_yet(subject: &'static str) -> Self {
        Self {
            subject,
            service: OnceLock::new(),
            is_logged: AtomicBool::new(false),
        }
    }

    fn get_or_start(&self, start: impl FnOnce() -> io::Result<Service<Q>>) -> Option<&Service<Q>> {
        if let Some(service) = self.service.get() {
            return Some(service);
        }
        match start() {
            // Of two concurrent starts, the second thread ends.
            Ok(service) => Some(self.service.get_or_init(|| service)),
            Err(error) => {
                if !self.is_logged.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        event = "netlink_unavailable",
                        subject = self.subject,
                        %error,
                        "cannot start the thread for queries of the kernel"
                    );
                }
                None
            }
        }
    }
}

/// The channel to the thread.
#[derive(Debug)]
struct Service<Q> {
    /// The subject of its queries.
    subject: &'static str,
    questions: mpsc::Sender<(Q, mpsc::SyncSender<Value>)>,
    /// Whether a query has timed out and is still pending; meanwhile, queries fail at once.
    stuck: Arc<AtomicBool>,
}

impl<Q: Debug + Send + 'static> Service<Q> {
    fn over_netlink(
        subject: &'static str,
        family: Option<Protocol>,
        query: impl Fn(&mut NetlinkSocket, &Q) -> Result<Value, NetlinkError> + Send + 'static,
    ) -> io::Result<Self> {
        let mut socket = None;
        Self::start(subject, move |question| {
            answer(&mut socket, family, question, &query)
        })
    }

    fn start(
        subject: &'static str,
        mut answer: impl FnMut(&Q) -> Value + Send + 'static,
    ) -> io::Result<Self> {
        let (questions, received) = mpsc::channel::<(Q, mpsc::SyncSender<Value>)>();
        let stuck = Arc::new(AtomicBool::new(false));
        let is_stuck = Arc::clone(&stuck);
        let thread = std::thread::Builder::new()
            .name(subject.to_owned())
            .stack_size(STACK);
        thread.spawn(move || {
            for (question, reply) in received {
                // The caller may have timed out. `mark_unresponsive` relies on this order, reply first.
                let _ = reply.send(answer(&question));
                is_stuck.store(false, Ordering::SeqCst);
            }
        })?;
        Ok(Self {
            subject,
            questions,
            stuck,
        })
    }

    fn query(&self, question: Q, timeout: Duration) -> Value {
        if self.stuck.load(Ordering::SeqCst) {
            return Value::Null;
        }
        let (reply, answer) = mpsc::sync_channel(1);
        if self.questions.send((question, reply)).is_err() {
            return Value::Null;
        }
        answer
            .recv_timeout(timeout)
            .unwrap_or_else(|_| self.mark_unresponsive(&answer, timeout))
    }

    /// Marks the thread as stuck, unless its reply arrives at this moment: the thread replies before it clears the mark,
    /// and would not clear it a second time.
    fn mark_unresponsive(&self, answer: &mpsc::Receiver<Value>, timeout: Duration) -> Value {
        self.stuck.store(true, Ordering::SeqCst);
        if let Ok(answer) = answer.try_recv() {
            self.stuck.store(false, Ordering::SeqCst);
            return answer;
        }
        tracing::warn!(
            event = "netlink_timeout",
            subject = self.subject,
            ?timeout,
            "no reply of the kernel; pausing queries until the pending one returns"
        );
        Value::Null
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_fail_at_once_while_the_thread_is_stuck() {
        let (release, released) = mpsc::channel::<()>();
        let service = Service::start("nothing", move |_| {
            // Ends when the test drops the sender.
            let _ = released.recv();
            Value::Bool(true)
        })
        .unwrap();
        let brief = Duration::from_millis(1);
        assert_eq!(service.query(DevlinkQuestion::Devices, brief), Value::Null);
        // Without the mark, this query would never return.
        assert_eq!(
            service.query(DevlinkQuestion::Devices, Duration::MAX),
            Value::Null
        );
        drop(release);
        while service.stuck.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        assert_eq!(
            service.query(DevlinkQuestion::Devices, Duration::from_secs(60)),
            Value::Bool(true)
        );
    }

    #[test]
    fn an_unknown_question_has_no_response() {
        assert_eq!(
            devlink(r#"{"ask":"rates","bus":"pci","device":"0000:5e:00.0"}"#),
            None
        );
        assert_eq!(devlink("nonsense"), None);
    }
}
