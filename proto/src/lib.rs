//! The kubelet's gRPC interfaces: device plugins, plugin registration and pod resources.
//!
//! The code is generated from this crate's own `proto/*.proto`, whose comments are for authors of plugins,
//! and is committed, so that a build needs no generator. After a change of a `.proto` run
//! `UPDATE_GENERATED=1 cargo test -p sriovdp-proto`.
#![forbid(unsafe_code)]

mod codec;

/// How a device plugin and the kubelet talk: `v1beta1.Registration` and `v1beta1.DevicePlugin`.
pub mod deviceplugin {
    pub use generated::*;

    /// The only version of the API that there is; [`RegisterRequest::version`] has to be exactly this.
    pub const VERSION: &str = "v1beta1";

    /// Where plugins put their sockets, unless they register through the plugin watcher.
    ///
    /// A kubelet removes the sockets it finds here when it starts; it does not touch directories.
    pub const SOCKET_DIR: &str = "/var/lib/kubelet/device-plugins";

    /// Where the kubelet serves [`registration_client`]'s service. A new inode here is a new kubelet.
    pub const KUBELET_SOCKET: &str = "/var/lib/kubelet/device-plugins/kubelet.sock";

    /// The value of [`Device::health`] for a device that may be given to pods.
    pub const HEALTHY: &str = "Healthy";

    /// The value of [`Device::health`] for one that may not. The kubelet takes everything but [`HEALTHY`] for this.
    pub const UNHEALTHY: &str = "Unhealthy";

    /// The largest message that a kubelet accepts, in bytes.
    pub const MAX_MESSAGE_SIZE: usize = 4 * 1024 * 1024;

    #[allow(
        clippy::all,
        clippy::restriction,
        clippy::pedantic,
        missing_debug_implementations,
        unreachable_pub,
        unused_qualifications,
        rustdoc::all,
        reason = "generated"
    )]
    mod generated {
        include!("gen/v1beta1.rs");
    }
}

/// How a plugin makes itself known through a directory that the kubelet watches: `pluginregistration.Registration`.
pub mod pluginregistration {
    pub use generated::*;

    /// The directory that the kubelet watches, with everything below it.
    pub const SOCKET_DIR: &str = "/var/lib/kubelet/plugins_registry";

    /// The value of `PluginInfo::type` for a device plugin.
    pub const DEVICE_PLUGIN: &str = "DevicePlugin";

    #[allow(
        clippy::all,
        clippy::restriction,
        clippy::pedantic,
        missing_debug_implementations,
        unreachable_pub,
        unused_qualifications,
        rustdoc::all,
        reason = "generated"
    )]
    mod generated {
        include!("gen/pluginregistration.rs");
    }
}

/// Which devices are in use, from the kubelet: `v1.PodResourcesLister`.
pub mod podresources {
    pub use generated::*;

    /// Where the kubelet serves [`pod_resources_lister_client`]'s service.
    pub const SOCKET: &str = "/var/lib/kubelet/pod-resources/kubelet.sock";

    #[allow(
        clippy::all,
        clippy::restriction,
        clippy::pedantic,
        missing_debug_implementations,
        unreachable_pub,
        unused_qualifications,
        rustdoc::all,
        reason = "generated"
    )]
    mod generated {
        include!("gen/v1.rs");
    }
}
