<?php

namespace App\MessageHandler;

use App\Message\NoteAdded;
use Doctrine\DBAL\Connection;
use Symfony\Component\Messenger\Attribute\AsMessageHandler;

#[AsMessageHandler]
class CountWords
{
    public function __construct(private Connection $connection)
    {
    }

    public function __invoke(NoteAdded $added): void
    {
        $text = $this->connection->fetchOne('SELECT text FROM notes WHERE id = ?', [$added->id]);
        $words = count(preg_split('/\s+/u', trim($text)));
        $this->connection->update('notes', ['words' => $words], ['id' => $added->id]);
    }
}
