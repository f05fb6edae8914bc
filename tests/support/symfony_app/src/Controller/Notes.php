<?php

namespace App\Controller;

use App\Message\NoteAdded;
use Doctrine\DBAL\Connection;
use Symfony\Bundle\FrameworkBundle\Controller\AbstractController;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpKernel\Kernel;
use Symfony\Component\Messenger\MessageBusInterface;

class Notes extends AbstractController
{
    public function __construct(private Connection $connection)
    {
    }

    public function health(): JsonResponse
    {
        $where = $this->getParameter('kernel.cache_dir');

        return $this->json(['symfony' => Kernel::VERSION, 'mode' => $this->getParameter('kernel.environment'), 'cache' => $where]);
    }

    public function all(): JsonResponse
    {
        return $this->json($this->connection->fetchAllAssociative('SELECT id, text FROM notes ORDER BY id'));
    }

    public function one(int $id): JsonResponse
    {
        $note = $this->connection->fetchAssociative('SELECT id, text, words FROM notes WHERE id = ?', [$id]);
        if (!$note) {
            throw $this->createNotFoundException();
        }

        return $this->json($note);
    }

    public function add(Request $request, MessageBusInterface $bus): JsonResponse
    {
        $text = trim($request->request->get('text', ''));
        if ($text === '') {
            return $this->json(['problem' => 'a note has a text'], 422);
        }
        $this->connection->insert('notes', ['text' => $text]);
        $id = (int) $this->connection->lastInsertId();
        $bus->dispatch(new NoteAdded($id));

        return $this->json(['id' => $id], 201);
    }
}
