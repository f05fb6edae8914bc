<?php

declare(strict_types=1);

$name = $_GET['name'] ?? 'world';

header('Content-Type: text/plain; charset=utf-8');
echo "Hello, {$name}! This is PHP ", PHP_VERSION, ".\n";
