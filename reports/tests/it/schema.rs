//! The JSON Schemas in `docs/schema` are those of the types. `UPDATE_SCHEMA=1` rewrites them.

use super::page::docs;

fn check(name: &str, schema: &schemars::Schema) {
    let file = docs().join("schema").join(name);
    let mut generated = serde_json::to_string_pretty(schema).unwrap();
    generated.push('\n');
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, generated).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        kept, generated,
        "docs/schema/{name} is not what the types say; UPDATE_SCHEMA=1 cargo test -p reports"
    );
}

#[test]
fn profile_schema_is_up_to_date() {
    check("profile-v1.json", &schemars::schema_for!(reports::model::Profile));
}

#[test]
fn plan_schema_is_up_to_date() {
    check("plan-v1.json", &schemars::schema_for!(reports::plan::Plan));
}

#[test]
fn verification_schema_is_up_to_date() {
    check("verification-v1.json", &schemars::schema_for!(reports::verify::VerificationReport));
}

#[test]
fn project_verification_schema_is_up_to_date() {
    check("project-verification-v1.json", &schemars::schema_for!(reports::project::ProjectReport));
}

#[test]
fn diff_schema_is_up_to_date() {
    check("diff-v1.json", &schemars::schema_for!(reports::diff::Diff));
}
