# POST / adds a note, GET / says how many there are. One request at a time, which is enough for a test.
use strict;
use warnings;
use IO::Socket::INET;

my $stop = 0;
$SIG{TERM} = sub { $stop = 1 };
$SIG{PIPE} = 'IGNORE';
open(my $log, '>>', '/var/log/app/access.log') or die "access.log: $!";
$log->autoflush(1);
my $server = IO::Socket::INET->new(LocalPort => 8000, Listen => 64, ReuseAddr => 1) or die "listen: $!";
print "listening\n";

# The output of a command without a shell, or nothing where it fails.
sub output {
    open(my $pipe, '-|', @_) or return;
    local $/;
    my $text = <$pipe>;
    return close($pipe) ? $text // '' : undef;
}

sub sql { return output('psql', '-h', 'db', '-U', 'postgres', '-d', 'app', '-v', 'ON_ERROR_STOP=1', '-qAtc', @_) }

sub add {
    my ($body) = @_;
    # As uploads are kept: whole, under a name of their own.
    my $file = "/var/spool/app/note-$$";
    open(my $note, '>', "$file.part") or return;
    print $note $body;
    close($note) or return;
    rename("$file.part", $file) or return;
    my $size = -s $file;
    defined sql("INSERT INTO notes (size) VALUES ($size)") or return;
    unlink($file);
    return output('redis-cli', '-h', 'cache', 'del', 'count');
}

sub count {
    my $cached = output('redis-cli', '-h', 'cache', 'get', 'count') // '';
    chomp($cached);
    return $cached if $cached ne '';
    my $count = sql('SELECT count(*) FROM notes') // return;
    chomp($count);
    output('redis-cli', '-h', 'cache', 'set', 'count', $count) // return;
    return $count;
}

until ($stop) {
    my $client = $server->accept or next;
    my $request = <$client> // '';
    my $length = 0;
    while (my $line = <$client>) {
        $length = $1 if $line =~ /^content-length:\s*(\d+)/i;
        last if $line =~ /^\r?$/;
    }
    my $body = '';
    read($client, $body, $length) if $length;
    my $answer = $request =~ /^POST/ ? add($body) : count();
    my $status = defined $answer ? '200 OK' : '500 Internal Server Error';
    $answer //= "failed\n";
    print $client "HTTP/1.0 $status\r\nContent-Length: ", length($answer), "\r\n\r\n", $answer;
    close($client);
    print $log "$status\n";
}
print "stopped\n";
