//! The C part behind safe functions: all `unsafe` of the crate.

use std::ffi::{c_char, c_int, CStr};

/// `struct orbit_card` of `core/orbit.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Card {
    pub number: u32,
    pub cores: u32,
    pub temperature: i32,
}

extern "C" {
    fn orbit_is_card(vendor: u16, class_code: u32) -> c_int;
    fn orbit_parse_report(text: *const c_char, length: usize, card: *mut Card) -> c_int;
    fn orbit_problem(card: *const Card) -> *const c_char;
}

pub fn is_card(vendor: u16, class_code: u32) -> bool {
    // SAFETY: it takes numbers, and any are valid.
    unsafe { orbit_is_card(vendor, class_code) != 0 }
}

/// The card that a report describes, or nothing for a text of another form.
pub fn parse_report(text: &str) -> Option<Card> {
    let mut card = Card::default();
    // SAFETY: the pointers are valid for the length of the text and for one card, and the function keeps neither.
    let result = unsafe { orbit_parse_report(text.as_ptr().cast(), text.len(), &mut card) };
    (result == 0).then_some(card)
}

/// Why no new pod may get the card.
pub fn problem(card: &Card) -> Option<&'static str> {
    // SAFETY: the pointer is valid; the answer is NULL or a static text that ends with a zero byte.
    let problem = unsafe {
        let text = orbit_problem(card);
        (!text.is_null()).then(|| CStr::from_ptr(text))
    };
    problem?.to_str().ok()
}
