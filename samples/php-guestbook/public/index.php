<?php

declare(strict_types=1);

use Guestbook\Guestbook;

require __DIR__ . '/../vendor/autoload.php';

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);

try {
    $book = Guestbook::fromEnvironment();
    $book->prepare();
} catch (PDOException $error) {
    error_log('The database does not answer: ' . $error->getMessage());
    http_response_code(503);
    header('Content-Type: text/plain; charset=utf-8');
    exit("The database does not answer.\n");
}

if ($path === '/health') {
    header('Content-Type: application/json');
    exit(json_encode(['status' => 'ok', 'php' => PHP_VERSION]) . "\n");
}
if ($path !== '/') {
    http_response_code(404);
    header('Content-Type: text/plain; charset=utf-8');
    exit("There is no such page.\n");
}

$problem = '';
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $problem = $book->add((string) ($_POST['name'] ?? ''), (string) ($_POST['message'] ?? ''));
    if ($problem === '') {
        header('Location: /', true, 303);
        exit;
    }
    http_response_code(422);
}
$entries = $book->newest();
require __DIR__ . '/../src/page.php';
