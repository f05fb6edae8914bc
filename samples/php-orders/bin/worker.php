<?php

declare(strict_types=1);

use Orders\Database;
use Queue\Queue;

require __DIR__ . '/../vendor/autoload.php';

if (in_array('--check', $argv, true)) {
    exit('The worker has PHP ' . PHP_VERSION . ' with ' . implode(', ', PDO::getAvailableDrivers()) . ".\n");
}

// A job that was begun is finished before a stop.
$stop = false;
pcntl_async_signals(true);
pcntl_signal(SIGTERM, static function () use (&$stop): void {
    $stop = true;
});

$queue = new Queue(Database::connect());
$queue->prepare();
while (!$stop) {
    $worked = $queue->work(static function (array $order): void {
        echo "Packing {$order['item']}\n";
    });
    if (!$worked) {
        sleep(1);
    }
}
echo "The worker has stopped.\n";
