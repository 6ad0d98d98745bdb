//! DDP profiles of Intel network functions: ddpProfiles.
