//! `docs/ci.md`: its YAML is YAML, its baseline is one, and its tables are complete.

use reports::diff::{Baseline, Kind};

use super::page::{blocks, text};

const PAGE: &str = "ci.md";

#[test]
fn the_pieces_for_ci_systems_are_yaml() {
    let pieces = blocks(&text(PAGE), "yaml");
    assert_eq!(pieces.len(), 2);
    for piece in &pieces {
        let value: serde_json::Value =
            serde_saphyr::from_str(piece).unwrap_or_else(|error| panic!("{error}: {piece}"));
        assert!(value.is_object(), "{piece}");
        assert!(piece.contains("./gate.sh check "), "{piece}");
    }
    let github: serde_json::Value = serde_saphyr::from_str(&pieces[0]).unwrap();
    let steps = github["jobs"]["writes"]["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["run"].is_string() || step["uses"].is_string()), "{steps:?}");
    let gitlab: serde_json::Value = serde_saphyr::from_str(&pieces[1]).unwrap();
    let script = gitlab["writes"]["script"].as_array().unwrap();
    assert!(script.iter().all(serde_json::Value::is_string), "{script:?}");
}

#[test]
fn the_baseline_is_one() {
    let blocks = blocks(&text(PAGE), "toml");
    assert_eq!(blocks.len(), 1);
    Baseline::from_toml(blocks[0].as_bytes()).unwrap();
}

#[test]
fn every_kind_and_placeholder_is_told() {
    let page = text(PAGE);
    for kind in Kind::ALL {
        assert!(page.contains(&format!("\n| `{}` | ", kind.name())), "{}", kind.name());
    }
    for placeholder in ["{pid}", "{n}", "{uuid}", "{time}", "{hex}", "{rand}"] {
        assert!(page.contains(&format!("\n| `{placeholder}` | ")), "{placeholder}");
    }
}
