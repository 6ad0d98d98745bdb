//! The writer of the log: a line that the reader of standard error does not take is lost, and the daemon goes on.
//!
//! `docs/decisions/0032-log-lines-are-lost.md` has the reasons.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{retry_on_intr, write};

/// A pipe or socket that is writable takes that much without blocking, and a pipe takes it in one piece (`PIPE_BUF`).
const CHUNK: usize = 4096;

/// How long lines wait for a reader that is slow.
const WAIT: Duration = Duration::from_millis(100);

/// Lines wait for at most one part of so many of the time.
const WAIT_SHARE: u32 = 10;

/// Writes lines to a file, usually a pipe, that other processes may write to as well.
#[derive(Debug)]
pub(super) struct LogWriter<F> {
    file: F,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How long lines may wait, as of `updated`.
    wait: Duration,
    updated: Instant,
    /// The end of the last line is lost.
    is_cut: bool,
    /// The lines that were lost since one was written.
    lost: u64,
}

impl<F: AsFd> LogWriter<F> {
    pub(super) fn new(file: F) -> Self {
        let state = State {
            wait: WAIT,
            updated: Instant::now(),
            is_cut: false,
            lost: 0,
        };
        Self {
            file,
            state: Mutex::new(state),
        }
    }
}

impl<F: AsFd> io::Write for &LogWriter<F> {
    /// Takes one line. It never fails, because there is no other place to report that.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = state.write(self.file.as_fd(), line);
        // The event below writes a line.
        drop(state);
        if lost > 0 {
            tracing::warn!(
                event = "log_lines_lost",
                lines = lost,
                "lines of the log are lost, because nothing read standard error"
            );
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl State {
    /// Writes a line or loses it. After a line that is written, returns how many were lost before.
    fn write(&mut self, file: BorrowedFd<'_>, line: &[u8]) -> u64 {
        let end_of_cut: &[u8] = if self.is_cut { b"\n" } else { b"" };
        let chunks = end_of_cut.chunks(CHUNK).chain(line.chunks(CHUNK));
        for (written, chunk) in chunks.enumerate() {
            let result = match self.waits_until_writable(file) {
                true => write(file, chunk).unwrap_or_default(),
                false => 0,
            };
            if result < chunk.len() {
                self.is_cut |= written > 0 || result > 0;
                self.lost += 1;
                return 0;
            }
        }
        self.is_cut = false;
        mem::take(&mut self.lost)
    }

    fn waits_until_writable(&mut self, file: BorrowedFd<'_>) -> bool {
        if is_writable(file, Duration::ZERO) {
            return true;
        }
        let now = Instant::now();
        let regained = now.duration_since(self.updated) / WAIT_SHARE;
        let wait = WAIT.min(self.wait + regained);
        let writable = is_writable(file, wait);
        self.updated = Instant::now();
        self.wait = wait.saturating_sub(self.updated.duration_since(now));
        writable
    }
}

/// Whether a short write would not block; it may fail.
fn is_writable(file: BorrowedFd<'_>, wait: Duration) -> bool {
    let wait = wait.try_into().ok();
    let mut files = [PollFd::from_borrowed_fd(file, PollFlags::OUT)];
    // Without a timeout, `poll` would wait without end.
    wait.is_some() && matches!(retry_on_intr(|| poll(&mut files, wait.as_ref())), Ok(1))
}

/// Whether standard error takes a message of a few lines.
pub fn is_standard_error_writable() -> bool {
    is_writable(io::stderr().as_fd(), WAIT)
}

#[cfg(test)]
mod tests {
    use std::io::{PipeWriter, Read, Write};

    use super::*;

    fn full_pipe() -> (io::PipeReader, PipeWriter, usize) {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut size = 0;
        while is_writable(writer.as_fd(), Duration::ZERO) {
            size += writer.write(&[b'-'; CHUNK]).unwrap();
        }
        (reader, writer, size)
    }

    #[test]
    fn lines_of_a_full_pipe_are_lost_and_counted() {
        let (mut reader, writer, size) = full_pipe();
        let log = LogWriter::new(writer);
        for line in [b"a\n", b"b\n"] {
            assert_eq!((&log).write(line).unwrap(), 2);
        }
        assert_eq!(log.state.lock().unwrap().lost, 2);
        reader.read_exact(&mut vec![0; size]).unwrap();
        (&log).write_all(b"c\n").unwrap();
        assert_eq!(log.state.lock().unwrap().lost, 0);
        drop(log);
        assert_eq!(io::read_to_string(reader).unwrap(), "c\n");
    }

    #[test]
    fn the_rest_of_a_long_line_may_be_lost_but_never_joins_the_next_line() {
        let (mut reader, writer, size) = full_pipe();
        let log = LogWriter::new(writer);
        // A pipe has room for the next line when a page of it is free.
        let page = rustix::param::page_size();
        reader.read_exact(&mut vec![0; page]).unwrap();
        let long = [[b'x'; CHUNK], [b'y'; CHUNK]].concat();
        assert_eq!((&log).write(&long).unwrap(), 2 * CHUNK);
        reader
            .read_exact(&mut vec![0; size - page + CHUNK])
            .unwrap();
        (&log).write_all(b"c\n").unwrap();
        drop(log);
        assert_eq!(io::read_to_string(reader).unwrap(), "\nc\n");
    }

    #[test]
    fn a_pipe_without_a_reader_blocks_nothing() {
        let (reader, writer, _) = full_pipe();
        drop(reader);
        let log = LogWriter::new(writer);
        assert_eq!((&log).write(b"a\n").unwrap(), 2);
    }
}
