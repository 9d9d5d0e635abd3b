"""Keeps notes in SQLite: POST / adds one, GET / counts them, GET /export sends them sorted."""

import sqlite3
import tempfile

DATABASE = "/data/notes.sqlite"


def connect():
    database = sqlite3.connect(DATABASE, timeout=20)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
    return database


def add(environ):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
    database = connect()
    with database:
        number = database.execute("INSERT INTO note (body) VALUES (?)", (body,)).lastrowid
    database.close()
    return str(number).encode()


def count():
    database = connect()
    (number,) = database.execute("SELECT count(*) FROM note").fetchone()
    database.close()
    return str(number).encode()


def export():
    database = connect()
    with tempfile.TemporaryFile() as file:
        for (body,) in database.execute("SELECT body FROM note ORDER BY body"):
            file.write(body.encode() + b"\n")
        file.seek(0)
        return file.read()


def application(environ, start_response):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if (method, path) == ("POST", "/"):
        answer = add(environ)
    elif (method, path) == ("GET", "/"):
        answer = count()
    elif (method, path) == ("GET", "/export"):
        answer = export()
    else:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not found\n"]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]
