//! PHP-FPM: sessions, and an uploaded file, by FastCGI.

use super::super::application::{Application, Image, Port, Ready};

/// Master as root, workers as another user.
pub(super) const PHP_FPM: Application = Application {
    name: "php-fpm",
    about: "master as root, workers drop; sessions, uploads",
    image: Image::OfCatalog("php-fpm"),
    package: "php-fpm",
    port: Port::Published(9000),
    options: &[],
    arguments: &[],
    ready: Ready::Log("ready to handle connections"),
    load: r#"
export SCRIPT_FILENAME=/srv/www/app.php SCRIPT_NAME=/app.php REQUEST_URI=/app.php QUERY_STRING= SERVER_PROTOCOL=HTTP/1.1
ask() { cgi-fcgi -bind -connect 127.0.0.1:$PORT; }
export HTTP_COOKIE=PHPSESSID=0123456789abcdef0123456789
for visit in $(seq 50); do
    REQUEST_METHOD=GET ask < /dev/null > /tmp/answer
    grep -q "^visits $visit uploaded -\$" /tmp/answer
done
head -c 500000 /dev/urandom > /tmp/file
{ printf -- '--line\r\nContent-Disposition: form-data; name="file"; filename="f"\r\nContent-Type: application/octet-stream\r\n\r\n'
  cat /tmp/file
  printf '\r\n--line--\r\n'; } > /tmp/body
REQUEST_METHOD=POST CONTENT_TYPE='multipart/form-data; boundary=line' CONTENT_LENGTH=$(stat -c %s /tmp/body) ask < /tmp/body > /tmp/answer
grep -q "^visits 51 uploaded $(sha256sum < /tmp/file | cut -d ' ' -f 1)\$" /tmp/answer"#,
    alternatives: &["non-root"],
    is_in_subset: false,
};

/// Started as the workers' user.
pub(super) const NON_ROOT: Application = Application {
    name: "php-fpm-non-root",
    about: "the same with `--user www-data`",
    options: &["--user", "www-data"],
    alternatives: &[],
    ..PHP_FPM
};
