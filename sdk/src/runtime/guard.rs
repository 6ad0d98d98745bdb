//! The panic guard: no panic of a provider crosses the library boundary.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Error;

thread_local! {
    /// Whether this thread is in [`guarded`].
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    /// Where the last panic of this thread was, from the hook.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `call`, and turns a panic into an error with the method and the place.
///
/// # Errors
///
/// The call's own error, or the panic as one.
pub(super) fn guarded<T>(what: &str, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // The provider's state may be half-written after a panic. Its locks are then poisoned, and `Session` replaces the
    // state as a whole; everything else in a provider is behind `&self` of its own making.
    let was_guarded = IS_GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    IS_GUARDED.set(was_guarded);
    match result {
        Ok(result) => result,
        Err(payload) => {
            let message = describe(payload.as_ref());
            // Dropping a payload may panic again, so it is leaked.
            std::mem::forget(payload);
            let place = LAST_PANIC.with(|last| last.borrow_mut().take());
            let place = place
                .map(|place| format!(" at {place}"))
                .unwrap_or_default();
            Err(
                Error::new(format!("the provider panicked in `{what}`{place}"))
                    .with_hint("this is a fault of the provider; report it to its author")
                    .caused_by(message),
            )
        }
    }
}

fn describe(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the panic has no message".to_owned())
}

/// Makes this library's panics quiet on standard error, which in a shared library goes past the host's log: their place is
/// kept for [`guarded`], and those of the provider's own threads are logged.
pub(super) fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        if IS_GUARDED.get() {
            // A thread that is ending has no such variable any more, and a panic in here would abort.
            let _ = LAST_PANIC.try_with(|last| *last.borrow_mut() = place);
        } else {
            let (place, message) = (place.unwrap_or_default(), describe(info.payload()));
            log::error!("a thread of the provider panicked at {place}: {message}");
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let error = guarded::<()>("matches", || panic!("index {} out of bounds", 7))
            .expect_err("it panicked");
        assert!(
            error
                .to_string()
                .starts_with("the provider panicked in `matches`"),
            "{error}"
        );
        assert_eq!(
            error.causes().collect::<Vec<_>>(),
            ["index 7 out of bounds"]
        );
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_no_second_panic() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let error =
            guarded::<()>("matches", || std::panic::panic_any(Bomb)).expect_err("it panicked");
        assert_eq!(
            error.causes().collect::<Vec<_>>(),
            ["the panic has no message"]
        );
    }
}
