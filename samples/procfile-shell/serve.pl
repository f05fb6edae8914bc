#!/usr/bin/perl
# A web server in a few lines of Perl, which every Debian image has: no buildpack has to install anything.
use strict;
use warnings;
use IO::Socket::INET;

$| = 1;
my $port   = $ENV{PORT} // 8080;
my $server = IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => $port, Listen => 16, ReuseAddr => 1)
    or die "cannot listen on port $port: $!\n";
$SIG{TERM} = $SIG{INT} = sub { print "stopping\n"; exit 0 };
$SIG{PIPE} = 'IGNORE';
print "listening on port $port\n";

while (1) {
    my $client = $server->accept or next;
    my $request = <$client> // '';
    while (my $line = <$client>) {
        last if $line =~ /^\r?\n$/;
    }
    my ($path) = $request =~ m{^GET (\S+) HTTP/};
    my $found  = defined $path && $path eq '/';
    my $body   = $found ? "A shell app on port $port says hello.\n" : "There is no such page.\n";
    my $status = $found ? '200 OK' : '404 Not Found';
    print $client "HTTP/1.1 $status\r\nContent-Type: text/plain\r\nContent-Length: ", length $body,
        "\r\nConnection: close\r\n\r\n$body";
    close $client;
    print "$status ", $path // '?', "\n";
}
