vcl 4.1;

// What stands behind the cache, in the same process.
backend default {
    .host = "127.0.0.1";
    .port = "8080";
}

sub vcl_recv {
    if (req.http.X-Origin) {
        return (synth(200, "OK"));
    }
    return (hash);
}

sub vcl_backend_fetch {
    set bereq.http.X-Origin = "1";
}

sub vcl_backend_response {
    set beresp.ttl = 60s;
}

sub vcl_deliver {
    set resp.http.X-Cache = obj.hits;
}

sub vcl_synth {
    set resp.http.Content-Type = "text/plain";
    synthetic("it works");
    return (deliver);
}
