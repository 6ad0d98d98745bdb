//! Faults that show only in calls of the running daemon: that call fails, that pool says why, everything else goes on.
