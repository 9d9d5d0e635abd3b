//! The applications, one file each, with their variants.

mod haproxy;
mod httpd;
mod jobs;
mod jvm;
mod mariadb;
mod memcached;
mod nginx;
mod node;
mod notes;
mod php_fpm;
mod postgres;
mod python;
mod rabbitmq;
mod redis;
mod varnish;

use super::application::Application;

/// Every application, in the order of the page.
pub(super) const ALL: &[Application] = &[
    nginx::NGINX,
    postgres::POSTGRES,
    postgres::NON_ROOT,
    redis::REDIS,
    mariadb::MARIADB,
    mariadb::NON_ROOT,
    memcached::MEMCACHED,
    memcached::NON_ROOT,
    haproxy::HAPROXY,
    haproxy::NON_ROOT,
    httpd::HTTPD,
    rabbitmq::RABBITMQ,
    rabbitmq::NON_ROOT,
    node::NODE,
    node::NON_ROOT,
    python::PYTHON,
    python::PYTHON_HOST,
    php_fpm::PHP_FPM,
    php_fpm::NON_ROOT,
    varnish::VARNISH,
    varnish::NON_ROOT,
    jvm::JVM,
    jvm::NON_ROOT,
    jobs::JOBS,
    notes::NOTES,
    notes::NON_ROOT,
];
