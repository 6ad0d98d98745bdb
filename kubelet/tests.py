"""The tests that run with a real device manager, and why the others do not."""

# Of the fake kubelet's own tests, by file: those that need what only the fake has.
FAKE_KUBELET = ["register", "versions", "failing_plugin", "lists", "pods"]

# A part of a test's name, and the reason.
OMITTED = {
    # Faults on command.
    "it_ends_while_the_kubelet_refuses_it": "a real kubelet refuses nothing on command",
    "refused_registration_is_retried_and_logged_once": "a real kubelet refuses nothing on command",
    "it_ends_while_a_registration_hangs": "a real kubelet does not hang on command",
    "duplicate_events_of_the_watcher": "the events of a real watcher are the kernel's",
    "fragmented_authorities_are_accepted": "a real kubelet has one authority, and writes it at once",
    "a_name_that_is_no_extended_resource_is_refused": "a real kubelet does not log whose registration it refuses",
    # Constants of the kubelet.
    "a_stopped_plugin_loses_its_devices_in_two_steps": "the grace period of a real kubelet is 5 minutes",
    "a_plugin_that_cannot_list_has_no_devices": "the grace period of a real kubelet is 5 minutes",
    "a_plugin_whose_list_fails_keeps_its_capacity": "the grace period of a real kubelet is 5 minutes",
    "devices_are_forgotten_when_the_plugin_stays_away": "the grace period of a real kubelet is 5 minutes",
    "up_to_1_32_a_start_removes_every_file": "one program is one version",
}


def omitted() -> str:
    reasons = [f"  {name}: {reason}" for name, reason in OMITTED.items()]
    return "\n".join(["not with a real device manager:", *reasons])


def commands(version: str, name: str) -> list[list[str]]:
    """The commands that run the tests for one version of the kubelet."""
    behaviour = "1_37" if int(version.split(".")[1]) >= 37 else "1_36"
    other = "up_to_1_36" if behaviour == "1_37" else "from_1_37_on"
    skips = [argument for part in [*OMITTED, other] for argument in ("--skip", part)]
    test = ["cargo", "test", "--locked", "--no-fail-fast"]
    # They wait for the kubelet's intervals most of the time.
    threads = ["--test-threads", "8"]
    fake = [argument for file in FAKE_KUBELET for argument in ("--test", file)]
    modes = ["watcher", "register"]
    scenarios = [f"{mode}_{behaviour}::{name}" for mode in modes]
    comparisons = [f"kubelet::comparison::{mode}::{name}" for mode in modes]
    return [
        [*test, "-p", "sriovdp-fake-kubelet", *fake, "--", name, *skips, *threads],
        [*test, "-p", "sriovdp-tests", "--test", "it", "--", *scenarios, *skips, *threads],
        [*test, "-p", "sriovdp-tests", "--test", "it", "--", *comparisons, "--ignored", *threads],
    ]
