#!/usr/bin/perl
# Answers with what jq makes of rivers.json: a program that the image has because the Aptfile names its package.
use strict;
use warnings;
use IO::Socket::INET;

$| = 1;
my $port   = $ENV{PORT} // 8080;
my $server = IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => $port, Listen => 16, ReuseAddr => 1)
    or die "cannot listen on port $port: $!\n";
$SIG{PIPE} = 'IGNORE';
print "listening on port $port\n";

while (1) {
    my $client = $server->accept or next;
    my $request = <$client> // '';
    while (my $line = <$client>) {
        last if $line =~ /^\r?\n$/;
    }
    my ($least) = $request =~ m{^GET /longer/(\d+) HTTP/};
    open(my $jq, '-|', 'jq', '--arg', 'title', $ENV{TITLE} // '', '--argjson', 'km', $least // 0,
        '{title: $title, rivers: map(select(.km >= $km) | .name)}', 'rivers.json') or die "jq cannot be started: $!\n";
    my $body = join '', <$jq>;
    close $jq;
    my $status = $? ? '500 Internal Server Error' : '200 OK';
    print $client "HTTP/1.1 $status\r\nContent-Type: application/json\r\nContent-Length: ", length $body,
        "\r\nConnection: close\r\n\r\n$body";
    close $client;
    print "$status $request";
}
