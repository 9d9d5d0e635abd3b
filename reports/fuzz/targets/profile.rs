//! Any bytes as a profile: refused, or read, written and read again as the same, planned, printed, compared and joined.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reports::diff::{self, DIFF_FORMATS, DiffOptions, Input, SIZE_FACTOR};
use reports::format::{self, FORMATS, Options};
use reports::html::{self, Source};
use reports::merge::{Mixing, merge};
use reports::model::Profile;
use reports::plan::recommend;

fuzz_target!(|bytes: &[u8]| {
    let Ok(profile) = Profile::from_json(bytes) else { return };
    let written = profile.to_json().expect("what was read can be written");
    assert_eq!(Profile::from_json(&written).expect("what was written can be read"), profile);

    let plan = recommend(&profile);
    assert_eq!(plan.validate(), Ok(()), "our own plan");
    for info in FORMATS {
        // May be refused, with a reason.
        drop(format::render(info.format, &profile, &plan, &Options::default()));
    }

    let input = Input::Profile(Box::new(profile.clone()));
    let same = diff::diff(&input, &input, SIZE_FACTOR);
    assert_eq!(same.findings, 0, "a profile differs from itself");
    let empty = Profile { writes: Vec::new(), capabilities: Vec::new(), ..profile.clone() };
    let all = diff::diff(&Input::Profile(Box::new(empty)), &input, SIZE_FACTOR);
    for info in DIFF_FORMATS {
        diff::render(info.format, &all, &DiffOptions::default()).expect("a comparison can be printed");
    }
    drop(html::render(&[Source { label: "fuzzed", profile: &profile, plan: &plan }]));

    let once = merge([profile.clone()], Mixing::Refused).expect("one profile").expect("one profile");
    let twice =
        merge([profile.clone(), profile], Mixing::Refused).expect("one subject").expect("two profiles");
    assert_eq!(once, twice, "adding a profile again changes the union");
});
