<?php

declare(strict_types=1);

namespace Queue;

use PDO;

/** Jobs in one table. Any number of workers may take them: each job goes to one. */
final class Queue
{
    public function __construct(private readonly PDO $database)
    {
    }

    public function prepare(): void
    {
        $this->database->exec(
            'CREATE TABLE IF NOT EXISTS jobs (
                id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                payload JSONB NOT NULL,
                added TIMESTAMPTZ NOT NULL DEFAULT now(),
                done TIMESTAMPTZ
            )'
        );
    }

    /** @param array<string, mixed> $payload */
    public function add(array $payload): int
    {
        $query = $this->database->prepare('INSERT INTO jobs (payload) VALUES (?) RETURNING id');
        $query->execute([json_encode($payload, JSON_THROW_ON_ERROR)]);

        return (int) $query->fetchColumn();
    }

    /** Have one job done, if there is one. A job whose work fails stays. @param callable(array<string, mixed>): void $work */
    public function work(callable $work): bool
    {
        $this->database->beginTransaction();
        try {
            $query = $this->database->query(
                'SELECT id, payload FROM jobs WHERE done IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED'
            );
            $job = $query->fetch(PDO::FETCH_ASSOC);
            if ($job !== false) {
                $work(json_decode($job['payload'], true, flags: JSON_THROW_ON_ERROR));
                $this->database->prepare('UPDATE jobs SET done = now() WHERE id = ?')->execute([$job['id']]);
            }
            $this->database->commit();

            return $job !== false;
        } catch (\Throwable $error) {
            $this->database->rollBack();
            throw $error;
        }
    }

    public function clean(string $age = '30 days'): int
    {
        $query = $this->database->prepare('DELETE FROM jobs WHERE done < now() - CAST(? AS INTERVAL)');
        $query->execute([$age]);

        return $query->rowCount();
    }

    /** @return list<array{id: int, payload: string, done: bool}> */
    public function newest(int $limit = 20): array
    {
        $query = $this->database->prepare(
            'SELECT id, payload, done IS NOT NULL AS done FROM jobs ORDER BY id DESC LIMIT ?'
        );
        $query->execute([$limit]);

        return $query->fetchAll(PDO::FETCH_ASSOC);
    }
}
