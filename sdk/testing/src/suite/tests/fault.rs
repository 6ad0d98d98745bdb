//! The faults of a [`Slingshot`](super::slingshot::Slingshot).

use std::cell::Cell;

/// What is wrong with a `Slingshot`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    #[default]
    None,
    PromisesWhatIsMissing,
    RefusesAlways,
    MountsTheRoot,
    /// The key `devices` has to be there.
    MountsTheRootBehindAKey,
    HandsOutAFile,
    IgnoresTheBoundDriver,
    ForgetsAKey,
    TrustsFiles,
    NamesAForeignKey,
    ReadsPastTheNode,
    AllocatesSlowly,
    DiscoversSlowly,
    Leaks,
    OffersOneTwice,
    RemembersInMatches,
    WritesInDiscover,
    ReadsOnAThread,
    PanicsOnThreeValues,
    HandsOutTheFirst,
    CountsFunctions,
    FindsWithoutAReason,
    WritesAMegabyte,
    HidesANodeInTheContainer,
    ExitsOnAValue,
    ExitsOnAnUntriedValue,
    ConstrainsByDefault,
    OffersPhysicalFunctions,
    HasNoSummary,
    MakesUpNumaNodes,
    ExcludesWithoutAReason,
    AllocatesInTurn,
    SetsOneVariable,
    SetsAVariableOfTheHost,
    GivesAllOnePath,
    PanicsOnASetting,
    StartsOnce,
    RefusesToStart,
    StartsSlowly,
    HasALongAttribute,
}

thread_local! {
    /// The fault of the providers that this thread makes.
    pub(super) static FAULT: Cell<Fault> = const { Cell::new(Fault::None) };
}
