"""Writes a report and runs a job on it every half second; tells over HTTP how many jobs were done and how many failed."""

import http.server
import signal
import subprocess
import sys
import threading
import time

done = failed = 0


def run_jobs():
    global done, failed
    number = 0
    while True:
        number += 1
        with open(f"/var/spool/reports/new/{number:06}.txt", "w") as report:
            report.write("all is well\n" * 100)
        job = subprocess.run(["sudo", "--non-interactive", "/usr/local/sbin/rotate-reports"])
        if job.returncode == 0:
            done += 1
        else:
            failed += 1
        time.sleep(0.5)


class Status(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = f"done {done} failed {failed}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
threading.Thread(target=run_jobs, daemon=True).start()
http.server.ThreadingHTTPServer(("", 8080), Status).serve_forever()
