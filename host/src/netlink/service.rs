//! The thread that asks the kernel, and how long the others wait for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use serde_json::Value;
use sriovdp_sdk::abi::wire::DevlinkQuestion;

use super::generic::GenericSocket;
use super::{NetlinkError, devlink};

/// How long a provider waits for one answer, of the ten seconds that its call may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// It parses messages of some kilobytes.
const STACK: usize = 256 * 1024;

/// What devlink says, as JSON; nothing for a question that this host does not understand.
pub(crate) fn devlink(question: &str) -> Option<String> {
    // A provider reaches its host through a plain function of the frozen interface, which carries no state.
    static SERVICE: OnceLock<Service> = OnceLock::new();
    let question: DevlinkQuestion = serde_json::from_str(question).ok()?;
    let service = SERVICE.get_or_init(|| {
        let mut socket = None;
        Service::start(move |question| answer(&mut socket, question))
    });
    Some(service.ask(question, PATIENCE).to_string())
}

/// Keeps the socket for the next question; one that failed is not used again.
fn answer(socket: &mut Option<GenericSocket>, question: &DevlinkQuestion) -> Value {
    let answer = match socket {
        Some(open) => devlink::ask(open, question),
        None => {
            GenericSocket::open().and_then(|opened| devlink::ask(socket.insert(opened), question))
        }
    };
    answer.unwrap_or_else(|error| {
        tracing::debug!(
            ?question,
            "devlink has no answer: {}",
            crate::report::one_line(&error)
        );
        if !matches!(error, NetlinkError::Refused(_)) {
            *socket = None;
        }
        Value::Null
    })
}

/// Questions on their way to the thread.
#[derive(Debug)]
struct Service {
    questions: mpsc::Sender<(DevlinkQuestion, mpsc::SyncSender<Value>)>,
    /// Somebody waited in vain. Until the thread is back, nobody waits.
    stuck: &'static AtomicBool,
}

impl Service {
    fn start(mut answer: impl FnMut(&DevlinkQuestion) -> Value + Send + 'static) -> Self {
        let (questions, asked) = mpsc::channel::<(DevlinkQuestion, mpsc::SyncSender<Value>)>();
        // There is one service for as long as the process lives.
        let stuck: &'static AtomicBool = Box::leak(Box::default());
        let thread = std::thread::Builder::new()
            .name("devlink".to_owned())
            .stack_size(STACK);
        let started = thread.spawn(move || {
            for (question, reply) in asked {
                // Whoever asked may have given up. It counts on this order, reply first: see `give_up`.
                let _ = reply.send(answer(&question));
                stuck.store(false, Ordering::SeqCst);
            }
        });
        if let Err(error) = started {
            tracing::warn!(%error, "devlink cannot be asked: its thread does not start");
        }
        Self { questions, stuck }
    }

    fn ask(&self, question: DevlinkQuestion, patience: Duration) -> Value {
        if self.stuck.load(Ordering::SeqCst) {
            return Value::Null;
        }
        let (reply, answer) = mpsc::sync_channel(1);
        if self.questions.send((question, reply)).is_err() {
            return Value::Null;
        }
        answer
            .recv_timeout(patience)
            .unwrap_or_else(|_| self.give_up(&answer, patience))
    }

    /// Says that the thread is stuck, unless its answer comes at this very moment: the thread, which answers before it
    /// says that it is back, would not say it a second time.
    fn give_up(&self, answer: &mpsc::Receiver<Value>, patience: Duration) -> Value {
        self.stuck.store(true, Ordering::SeqCst);
        if let Ok(answer) = answer.try_recv() {
            self.stuck.store(false, Ordering::SeqCst);
            return answer;
        }
        tracing::warn!(
            "devlink does not answer within {patience:?}; it is not asked until it does"
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
        let service = Service::start(move |_| {
            // Ends when the test lets go of the other end.
            let _ = released.recv();
            Value::Bool(true)
        });
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
