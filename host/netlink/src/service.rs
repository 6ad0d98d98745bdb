//! The threads that query the kernel, and the timeouts of their callers.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::Protocol;
use rustix::net::netlink::GENERIC;

use serde_json::Value;
use sriovdp_provider_abi::wire::DevlinkQuestion;

use super::socket::NetlinkSocket;
use super::{NetlinkError, devlink, routes};

/// The timeout of one query, within the ten seconds of a provider's discovery.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// The last responses in memory. Questions name devices, of which a node has fewer in devlink.
const RESPONSES: usize = 4096;
/// Enough to parse messages of some kilobytes.
const STACK: usize = 256 * 1024;

/// The response of devlink as JSON; nothing for an unknown question. Without a reply of the kernel this is the previous
/// response to the question, since a device must not leave its pool because the firmware of a card is busy.
pub fn devlink(question: &str) -> Option<String> {
    // Providers call the host through a plain function of the ABI, which carries no state.
    static SERVICE: Started<DevlinkQuestion> = Started::not_yet("devlink");
    static LAST: LastResponses = LastResponses::none();
    let parsed: DevlinkQuestion = serde_json::from_str(question).ok()?;
    let service =
        SERVICE.get_or_start(|| Service::over_netlink("devlink", Some(GENERIC), devlink::query));
    let response = service.and_then(|service| service.query(parsed, QUERY_TIMEOUT));
    Some(LAST.or_last(question, response))
}

/// The interfaces of the default routes, as JSON. Without a reply this is the previous response, since an interface that
/// carries the node's traffic must not be allocated because the kernel was slow once.
pub fn default_routes() -> String {
    static SERVICE: Started<()> = Started::not_yet("routes");
    static LAST: LastResponses = LastResponses::none();
    let service = SERVICE.get_or_start(|| {
        Service::over_netlink("routes", None, |socket, ()| routes::default_routes(socket))
    });
    let response = service.and_then(|service| service.query((), QUERY_TIMEOUT));
    LAST.or_last("", response.filter(|response| !response.is_null()))
}

/// The last response to each question, as JSON.
struct LastResponses(Mutex<BTreeMap<String, String>>);

impl LastResponses {
    const fn none() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// `response`, or without one the last response to `question`.
    fn or_last(&self, question: &str, response: Option<Value>) -> String {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(response) = response else {
            return last
                .get(question)
                .cloned()
                .unwrap_or_else(|| Value::Null.to_string());
        };
        if last.len() >= RESPONSES && !last.contains_key(question) {
            last.clear();
        }
        let response = response.to_string();
        last.insert(question.to_owned(), response.clone());
        response
    }
}

/// Queries the kernel over a socket that is reused until it fails; nothing where it does not reply.
fn answer<Q: Debug>(
    socket: &mut Option<NetlinkSocket>,
    family: Option<Protocol>,
    question: &Q,
    query: impl Fn(&mut NetlinkSocket, &Q) -> Result<Value, NetlinkError>,
) -> Option<Value> {
    let answer = match socket {
        Some(open) => query(open, question),
        None => {
            NetlinkSocket::open(family).and_then(|opened| query(socket.insert(opened), question))
        }
    };
    answer.map_or_else(
        |error| {
            tracing::debug!(
                event = "netlink_query_failed",
                ?question,
                error = sriovdp_report::inline(&error),
                "a query of the kernel failed"
            );
            match error {
                // It may be over soon, as while a driver resets its card.
                NetlinkError::Refused(
                    Errno::AGAIN | Errno::BUSY | Errno::INTR | Errno::IO | Errno::NOMEM,
                ) => None,
                NetlinkError::Refused(_) => Some(Value::Null),
                NetlinkError::Socket(..) | NetlinkError::Malformed => {
                    *socket = None;
                    None
                }
            }
        },
        Some,
    )
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
    questions: mpsc::Sender<(Q, mpsc::SyncSender<Option<Value>>)>,
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
        mut answer: impl FnMut(&Q) -> Option<Value> + Send + 'static,
    ) -> io::Result<Self> {
        let (questions, received) = mpsc::channel::<(Q, mpsc::SyncSender<Option<Value>>)>();
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

    /// The answer; nothing while there is no reply, `Null` where the kernel refuses the query.
    fn query(&self, question: Q, timeout: Duration) -> Option<Value> {
        if self.stuck.load(Ordering::SeqCst) {
            return None;
        }
        let (reply, answer) = mpsc::sync_channel(1);
        self.questions.send((question, reply)).ok()?;
        answer
            .recv_timeout(timeout)
            .unwrap_or_else(|_| self.mark_unresponsive(&answer, timeout))
    }

    /// Marks the thread as stuck, unless its reply arrives at this moment: the thread replies before it clears the mark,
    /// and would not clear it a second time.
    fn mark_unresponsive(
        &self,
        answer: &mpsc::Receiver<Option<Value>>,
        timeout: Duration,
    ) -> Option<Value> {
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
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIEF: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(60);

    /// A service whose replies are those of `replies`, each when it is there.
    fn replying(replies: mpsc::Receiver<Value>) -> Service<String> {
        Service::start("nothing", move |_| replies.recv().ok()).unwrap()
    }

    #[test]
    fn queries_fail_at_once_while_the_thread_is_stuck() {
        let (reply, replies) = mpsc::channel();
        let service = replying(replies);
        let query = |timeout| service.query(String::new(), timeout);
        assert_eq!(query(BRIEF), None);
        // Without the mark, this query would never return.
        assert_eq!(query(Duration::MAX), None);
        reply.send(Value::Bool(false)).unwrap();
        reply.send(Value::Bool(true)).unwrap();
        while service.stuck.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        assert_eq!(query(LONG), Some(Value::Bool(true)));
    }

    #[test]
    fn a_question_without_a_reply_has_its_last_response() {
        let (reply, replies) = mpsc::channel();
        let service = replying(replies);
        let last = LastResponses::none();
        let query = |question: &str, timeout| {
            last.or_last(question, service.query(question.to_owned(), timeout))
        };
        for (question, response) in [("busy", "a"), ("gone", "b"), ("other", "c")] {
            reply.send(response.into()).unwrap();
            assert_eq!(query(question, LONG), format!("\"{response}\""));
        }
        reply.send(Value::Null).unwrap();
        assert_eq!(query("gone", LONG), "null");
        assert_eq!(query("busy", BRIEF), r#""a""#);
        assert_eq!(query("gone", Duration::MAX), "null");
        assert_eq!(query("other", Duration::MAX), r#""c""#);
        assert_eq!(query("new", Duration::MAX), "null");
    }

    #[test]
    fn a_refusal_that_may_be_over_soon_is_no_response() {
        for (errno, expected) in [
            (Errno::BUSY, None),
            (Errno::NODEV, Some(Value::Null)),
            (Errno::PERM, Some(Value::Null)),
        ] {
            let refused = |_: &mut NetlinkSocket, _: &()| Err(NetlinkError::Refused(errno));
            assert_eq!(answer(&mut None, None, &(), refused), expected, "{errno}");
        }
    }

    #[test]
    fn last_responses_are_bounded() {
        let last = LastResponses::none();
        for question in 0..2 * RESPONSES {
            last.or_last(&question.to_string(), Some(Value::Null));
        }
        assert_eq!(last.0.lock().unwrap().len(), RESPONSES);
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
