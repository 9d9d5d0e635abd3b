//! Any bytes as a plan: refused, or one that can be followed, which is written, read again as the same, and compared.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reports::diff::{self, Input, SIZE_FACTOR};
use reports::plan::read_plan;

fuzz_target!(|bytes: &[u8]| {
    let Ok(plan) = read_plan(bytes) else { return };
    assert_eq!(plan.validate(), Ok(()), "a plan that was read");
    let written = serde_json::to_vec(&plan).expect("what was read can be written");
    assert_eq!(read_plan(&written).expect("what was written can be read"), plan);
    let input = Input::Plan(Box::new(plan));
    assert_eq!(diff::diff(&input, &input, SIZE_FACTOR).findings, 0, "a plan differs from itself");
});
