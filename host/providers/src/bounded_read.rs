//! Reads of files that others may have made: the SDK's bounded reader.

pub use sriovdp_sdk::regular::{Limited, open, read};

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

    #[test]
    fn a_fifo_without_a_writer_is_refused_at_once() {
        let flag = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
        assert_eq!(sriovdp_sdk::regular::NONBLOCK, flag);
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let refused = super::open(&fifo).unwrap_err();
        assert_eq!(refused.to_string(), "it is not a regular file");
    }
}
