//! A Java service that extracts a native library to the temporary directory and loads it from there.

use super::super::application::{Application, Image, Port, Ready};

/// As root, without preparation.
pub(super) const JVM: Application = Application {
    name: "jvm",
    about: "extracts a native library to /tmp and loads it",
    image: Image::OfCatalog("jvm"),
    package: "default-jdk-headless",
    port: Port::Published(8080),
    options: &[],
    arguments: &[],
    ready: Ready::Http("/"),
    load: r#"
url=http://127.0.0.1:$PORT
many -n 1000 -c 4 $url/
head -c 1000000 /dev/zero | tr '\0' '\1' > /tmp/body
for number in $(seq 20); do [ "$(curl -fsS --data-binary @/tmp/body $url/)" = 1000000 ]; done"#,
    alternatives: &[],
    is_in_subset: false,
};

/// As another user.
pub(super) const NON_ROOT: Application = Application {
    name: "jvm-non-root",
    about: "the same with `--user 1000:1000`",
    options: &["--user", "1000:1000"],
    ..JVM
};
