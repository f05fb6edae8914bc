<?php

declare(strict_types=1);

use Orders\Database;
use Queue\Queue;

require __DIR__ . '/../vendor/autoload.php';

/** @param array<string, mixed> $value */
function answer(array $value, int $status = 200): never
{
    http_response_code($status);
    header('Content-Type: application/json');
    exit(json_encode($value, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE) . "\n");
}

$queue = new Queue(Database::connect());
$queue->prepare();
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);

match (true) {
    $path === '/health' => answer(['status' => 'ok', 'php' => PHP_VERSION]),
    $path === '/orders' && $_SERVER['REQUEST_METHOD'] === 'POST' => ($item = trim((string) ($_POST['item'] ?? ''))) === ''
        ? answer(['problem' => 'An order needs an item.'], 422)
        : answer(['order' => $queue->add(['item' => $item])], 201),
    $path === '/orders' => answer(['orders' => $queue->newest()]),
    default => answer(['problem' => 'There is no such page.'], 404),
};
