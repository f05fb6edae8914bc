<?php

declare(strict_types=1);

use Orders\Database;
use Queue\Queue;

require __DIR__ . '/../vendor/autoload.php';

echo (new Queue(Database::connect()))->clean(), " old orders removed\n";
