//! What the plugin does, as data: each file of `host/tests/cases` is played with the real program, both ways.

mod case;
mod play;

use std::path::Path;

use self::case::Case;
use self::play::Play;
use crate::test_node::{RegistrationMode, both_modes};

both_modes!(every_case_goes_as_it_says);

/// More than there could be without reading the directory.
const LEAST: usize = 35;

async fn every_case_goes_as_it_says(mode: RegistrationMode) {
    let cases = Case::all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"));
    assert!(cases.len() >= LEAST, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        wrong.extend(differences(case, mode).await);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The first step of a case that goes otherwise than its file says.
async fn differences(case: &Case, mode: RegistrationMode) -> Option<String> {
    let play = Play::new(case, mode).await;
    for step in case.steps() {
        let found = play.step(step).await;
        if found != step.body {
            let (head, log) = (&step.head, play.log());
            let (expected, found) = (step.body.join("\n  "), found.join("\n  "));
            return Some(format!(
                "{}: `{head}`\nexpected:\n  {expected}\nfound:\n  {found}\nlog:\n{log}",
                case.name
            ));
        }
    }
    None
}
