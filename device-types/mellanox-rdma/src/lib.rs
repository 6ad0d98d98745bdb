//! RDMA for network device types: isRdma, pKeys and the character devices.
