<?php

declare(strict_types=1);

namespace Orders;

use PDO;

/** The bound PostgreSQL: its driver reads PGHOST and the others by itself, but for the login. */
final class Database
{
    public static function connect(): PDO
    {
        $dsn = sprintf(
            'pgsql:host=%s;port=%s;dbname=%s;connect_timeout=5',
            getenv('PGHOST') ?: '127.0.0.1',
            getenv('PGPORT') ?: '5432',
            getenv('PGDATABASE') ?: 'orders',
        );

        return new PDO($dsn, getenv('PGUSER') ?: 'orders', getenv('PGPASSWORD') ?: '', [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        ]);
    }
}
