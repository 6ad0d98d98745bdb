//! The macro that makes a library a provider.

/// Exports a [`Provider`](crate::Provider) from a `cdylib`. Once per library, at the crate's root.
///
/// ```
/// # use sriovdp_sdk::prelude::*;
/// # #[derive(Default)]
/// # struct Fpga;
/// # #[selectors]
/// # struct Nothing {}
/// # impl Provider for Fpga {
/// #     type Selectors = Nothing;
/// #     type Facts = ();
/// #     fn manifest(&self) -> Manifest { Manifest::device_type("fpga", "") }
/// #     fn discover(&self, _: &Node) -> Result<Discovery<()>, Error> { Ok(Discovery::default()) }
/// #     fn matches(&self, _: &Nothing, _: &Device<()>) -> Result<(), Mismatch> { Ok(()) }
/// #     fn allocate(&self, _: &Node, _: &Nothing, _: &Device<()>) -> Result<Allocation, Error> { Ok(Allocation::default()) }
/// # }
/// export_provider!(Fpga);
/// # fn main() {}
/// ```
///
/// Neither a type that is no provider compiles, nor two exports of one library:
///
/// ```compile_fail
/// struct Fpga;
/// sriovdp_sdk::export_provider!(Fpga);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_provider {
    ($provider:ty) => {
        const _: () = {
            struct Exported;

            impl $crate::runtime::Export for Exported {
                type Provider = $provider;

                const PACKAGE: (&'static str, &'static str) =
                    (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

                fn state() -> &'static $crate::runtime::State<$provider> {
                    static STATE: $crate::runtime::State<$provider> = $crate::runtime::State::new();
                    &STATE
                }
            }

            #[used]
            #[unsafe(link_section = ".note.sriovdp")]
            static NOTE: $crate::runtime::Note = $crate::runtime::Note::new(
                $crate::VERSION,
                env!("CARGO_PKG_NAME"),
                env!("CARGO_PKG_VERSION"),
            );

            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            static HEADER: $crate::runtime::LibHeader = $crate::runtime::header::<Exported>();
        };
    };
}
