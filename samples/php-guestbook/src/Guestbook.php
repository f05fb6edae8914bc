<?php

declare(strict_types=1);

namespace Guestbook;

use PDO;

/** The entries, in a table that is made when it is missing. */
final class Guestbook
{
    private const MAX_NAME = 60;
    private const MAX_MESSAGE = 500;

    public function __construct(private readonly PDO $database)
    {
    }

    /** Connect as the service binding says. */
    public static function fromEnvironment(): self
    {
        $dsn = sprintf(
            'mysql:host=%s;port=%s;dbname=%s;charset=utf8mb4',
            getenv('DB_HOST') ?: '127.0.0.1',
            getenv('DB_PORT') ?: '3306',
            getenv('DB_DATABASE') ?: 'guestbook',
        );
        $database = new PDO($dsn, getenv('DB_USERNAME') ?: 'guest', getenv('DB_PASSWORD') ?: '', [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
            PDO::ATTR_TIMEOUT => 5,
        ]);

        return new self($database);
    }

    public function prepare(): void
    {
        $this->database->exec(
            'CREATE TABLE IF NOT EXISTS entries (
                id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
                name VARCHAR(60) NOT NULL,
                message VARCHAR(500) NOT NULL,
                written TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
            ) CHARACTER SET utf8mb4'
        );
    }

    /** @return string what is wrong with the entry, or nothing */
    public function add(string $name, string $message): string
    {
        $name = trim($name);
        $message = trim($message);
        if ($name === '' || $message === '') {
            return 'Please fill in your name and a message.';
        }
        if (mb_strlen($name) > self::MAX_NAME || mb_strlen($message) > self::MAX_MESSAGE) {
            return sprintf('At most %d letters for the name and %d for the message.', self::MAX_NAME, self::MAX_MESSAGE);
        }
        $this->database->prepare('INSERT INTO entries (name, message) VALUES (?, ?)')->execute([$name, $message]);

        return '';
    }

    /** @return list<array{name: string, message: string, written: string}> */
    public function newest(int $limit = 50): array
    {
        $query = $this->database->prepare('SELECT name, message, written FROM entries ORDER BY id DESC LIMIT ?');
        $query->bindValue(1, $limit, PDO::PARAM_INT);
        $query->execute();

        return $query->fetchAll();
    }
}
