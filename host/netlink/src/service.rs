//! The threads that ask the kernel, and how long the others wait for them.

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

/// How long a provider waits for one answer, of the ten seconds that its call may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// It parses messages of some kilobytes.
const STACK: usize = 256 * 1024;

/// What devlink says, as JSON; nothing for a question that this host does not understand.
pub fn devlink(question: &str) -> Option<String> {
    // A provider reaches its host through a plain function of the frozen interface, which carries no state.
    static SERVICE: Started<DevlinkQuestion> = Started::not_yet("devlink");
    let question: DevlinkQuestion = serde_json::from_str(question).ok()?;
    let service = SERVICE.get_or_start(|| Service::asking("devlink", Some(GENERIC), devlink::ask));
    let answer = service.map_or(Value::Null, |service| service.ask(question, PATIENCE));
    Some(answer.to_string())
}

/// Where default routes lead to, as JSON. What was the answer before holds until there is another one, since an
/// interface that carries the node's traffic must not be given away because the kernel was slow once.
pub fn default_routes() -> String {
    static SERVICE: Started<()> = Started::not_yet("routes");
    static LAST: Mutex<Value> = Mutex::new(Value::Null);
    let service = SERVICE.get_or_start(|| {
        Service::asking("routes", None, |socket, ()| routes::default_routes(socket))
    });
    let answer = service.map_or(Value::Null, |service| service.ask((), PATIENCE));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if !answer.is_null() {
        *last = answer;
    }
    last.to_string()
}

/// Keeps the socket for the next question; one that failed is not used again.
fn answer<Q: Debug>(
    socket: &mut Option<NetlinkSocket>,
    family: Option<Protocol>,
    question: &Q,
    ask: impl Fn(&mut NetlinkSocket, &Q) -> Result<Value, NetlinkError>,
) -> Value {
    let answer = match socket {
        Some(open) => ask(open, question),
        None => NetlinkSocket::open(family).and_then(|opened| ask(socket.insert(opened), question)),
    };
    answer.unwrap_or_else(|error| {
        tracing::debug!(
            ?question,
            "the kernel has no answer: {}",
            sriovdp_report::inline(&error)
        );
        if !matches!(error, NetlinkError::Refused(_)) {
            *socket = None;
        }
        Value::Null
    })
}

/// A service that is started with the first question for which the system has a thread.
struct Started<Q> {
    subject: &'static str,
    service: OnceLock<Service<Q>>,
    /// The log has the reason why it does not start.
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
            // Of two that are started at once, the second one's thread ends.
            Ok(service) => Some(self.service.get_or_init(|| service)),
            Err(error) => {
                if !self.is_logged.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "cannot query {} now: no thread can be started for it: {error}",
                        self.subject
                    );
                }
                None
            }
        }
    }
}

/// Questions on their way to the thread.
#[derive(Debug)]
struct Service<Q> {
    /// What it asks about.
    subject: &'static str,
    questions: mpsc::Sender<(Q, mpsc::SyncSender<Value>)>,
    /// Somebody waited in vain. Until the thread is back, nobody waits.
    stuck: Arc<AtomicBool>,
}

impl<Q: Debug + Send + 'static> Service<Q> {
    fn asking(
        subject: &'static str,
        family: Option<Protocol>,
        ask: impl Fn(&mut NetlinkSocket, &Q) -> Result<Value, NetlinkError> + Send + 'static,
    ) -> io::Result<Self> {
        let mut socket = None;
        Self::start(subject, move |question| {
            answer(&mut socket, family, question, &ask)
        })
    }

    fn start(
        subject: &'static str,
        mut answer: impl FnMut(&Q) -> Value + Send + 'static,
    ) -> io::Result<Self> {
        let (questions, asked) = mpsc::channel::<(Q, mpsc::SyncSender<Value>)>();
        let stuck = Arc::new(AtomicBool::new(false));
        let is_stuck = Arc::clone(&stuck);
        let thread = std::thread::Builder::new()
            .name(subject.to_owned())
            .stack_size(STACK);
        thread.spawn(move || {
            for (question, reply) in asked {
                // Whoever asked may have given up. It counts on this order, reply first: see `mark_unresponsive`.
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

    fn ask(&self, question: Q, patience: Duration) -> Value {
        if self.stuck.load(Ordering::SeqCst) {
            return Value::Null;
        }
        let (reply, answer) = mpsc::sync_channel(1);
        if self.questions.send((question, reply)).is_err() {
            return Value::Null;
        }
        answer
            .recv_timeout(patience)
            .unwrap_or_else(|_| self.mark_unresponsive(&answer, patience))
    }

    /// Says that the thread is stuck, unless its answer comes at this very moment: the thread, which answers before it
    /// says that it is back, would not say it a second time.
    fn mark_unresponsive(&self, answer: &mpsc::Receiver<Value>, patience: Duration) -> Value {
        self.stuck.store(true, Ordering::SeqCst);
        if let Ok(answer) = answer.try_recv() {
            self.stuck.store(false, Ordering::SeqCst);
            return answer;
        }
        tracing::warn!(
            "the kernel says nothing about {} within {patience:?}; it is not asked until it does",
            self.subject
        );
        Value::Null
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_a_thread_that_is_stuck() {
        let (release, released) = mpsc::channel::<()>();
        let service = Service::start("nothing", move |_| {
            // Ends when the test lets go of the other end.
            let _ = released.recv();
            Value::Bool(true)
        })
        .unwrap();
        let brief = Duration::from_millis(1);
        assert_eq!(service.ask(DevlinkQuestion::Devices, brief), Value::Null);
        // With patience for ever, an answer that does not come at once would not come at all.
        assert_eq!(
            service.ask(DevlinkQuestion::Devices, Duration::MAX),
            Value::Null
        );
        drop(release);
        while service.stuck.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        assert_eq!(
            service.ask(DevlinkQuestion::Devices, Duration::from_secs(60)),
            Value::Bool(true)
        );
    }

    #[test]
    fn a_question_of_a_later_interface_has_no_answer() {
        assert_eq!(
            devlink(r#"{"ask":"rates","bus":"pci","device":"0000:5e:00.0"}"#),
            None
        );
        assert_eq!(devlink("nonsense"), None);
    }
}
